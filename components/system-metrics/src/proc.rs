//! The files of `/proc` that are read, as `proc(5)` describes them.

use std::path::Path;

use serde::Serialize;

/// What is said of the device at one moment. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reading {
    time: String,
    load1: f64,
    load5: f64,
    load15: f64,
    memory_total: u64,
    memory_available: u64,
    swap_total: u64,
    swap_free: u64,
    /// How busy all processors together were since the last reading; none in the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_percent: Option<f64>,
    uptime_seconds: f64,
}

/// Processor time since the device started, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuTime {
    busy: u64,
    total: u64,
}

impl Reading {
    /// Reads the files in a folder that is `/proc` or looks like it.
    pub(crate) fn take(
        proc: &Path,
        time: String,
        before: Option<CpuTime>,
    ) -> Result<(Self, CpuTime), String> {
        let file = |name: &str| {
            let path = proc.join(name);
            std::fs::read_to_string(&path).map_err(|error| {
                format!(
                    "{} cannot be read: {error}. Grant the folder /proc as \"{}\" to this producer.",
                    path.display(),
                    proc.display()
                )
            })
        };
        Self::of(
            time,
            before,
            &file("loadavg")?,
            &file("meminfo")?,
            &file("stat")?,
            &file("uptime")?,
        )
    }

    fn of(
        time: String,
        before: Option<CpuTime>,
        loadavg: &str,
        meminfo: &str,
        stat: &str,
        uptime: &str,
    ) -> Result<(Self, CpuTime), String> {
        let not_understood = |name: &str| format!("The file {name} in /proc is not understood.");
        let cpu = CpuTime::of(stat).ok_or_else(|| not_understood("stat"))?;
        let load = numbers(loadavg);
        let [load1, load5, load15, ..] = load.as_slice() else {
            return Err(not_understood("loadavg"));
        };
        let memory =
            |name: &str| field_of_meminfo(meminfo, name).ok_or_else(|| not_understood("meminfo"));
        let uptime = numbers(uptime).first().copied();
        let reading = Self {
            time,
            load1: *load1,
            load5: *load5,
            load15: *load15,
            memory_total: memory("MemTotal")?,
            memory_available: memory("MemAvailable")?,
            // A kernel without swap does not name it.
            swap_total: memory("SwapTotal").unwrap_or_default(),
            swap_free: memory("SwapFree").unwrap_or_default(),
            cpu_percent: before.and_then(|before| cpu.percent_since(before)),
            uptime_seconds: uptime.ok_or_else(|| not_understood("uptime"))?,
        };
        Ok((reading, cpu))
    }
}

impl CpuTime {
    /// The line `cpu user nice system idle iowait irq softirq steal …` of `stat`.
    fn of(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // What follows steal, the time of guests, is within user and nice already.
        let ticks = line.split_whitespace().take(8);
        let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
        let idle = ticks.get(3)? + ticks.get(4).copied().unwrap_or_default();
        let total: u64 = ticks.iter().sum();
        Some(Self {
            busy: total.saturating_sub(idle),
            total,
        })
    }

    /// In hundredths; none if no time has passed.
    fn percent_since(self, before: Self) -> Option<f64> {
        let total = self.total.checked_sub(before.total).filter(|it| *it > 0)?;
        let busy = self.busy.saturating_sub(before.busy).min(total);
        Some((busy * 10_000 / total) as f64 / 100.0)
    }
}

fn numbers(text: &str) -> Vec<f64> {
    let words = text.split_whitespace();
    words.map_while(|word| word.parse().ok()).collect()
}

/// A line such as `MemTotal:  1016 kB`, in bytes.
fn field_of_meminfo(meminfo: &str, name: &str) -> Option<u64> {
    let value = meminfo
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kibibytes: u64 = value.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOADAVG: &str = "0.52 1.03 2.5 1/345 6789\n";
    const MEMINFO: &str = "MemTotal:  1000 kB\nMemFree: 10 kB\nMemAvailable:  400 kB\n\
                           SwapTotal: 8 kB\nSwapFree: 4 kB\n";
    const STAT: &str = "cpu  100 0 50 800 50 0 0 0 7 0\ncpu0 100 0 50 800 50 0 0 0 7 0\nintr 1\n";

    fn reading(stat: &str, before: Option<CpuTime>) -> Result<(Reading, CpuTime), String> {
        Reading::of("t".into(), before, LOADAVG, MEMINFO, stat, "12.5 90.1\n")
    }

    #[test]
    fn the_files_are_read_as_the_manual_says() {
        let (first, cpu) = reading(STAT, None).unwrap();
        let text = serde_json::to_string(&first).unwrap();
        assert_eq!(
            text,
            r#"{"time":"t","load1":0.52,"load5":1.03,"load15":2.5,"memoryTotal":1024000,"memoryAvailable":409600,"swapTotal":8192,"swapFree":4096,"uptimeSeconds":12.5}"#
        );
        // 100 ticks on, 25 of them busy.
        let (second, _) = reading("cpu 120 0 55 860 65 0 0 0 9 0\n", Some(cpu)).unwrap();
        assert_eq!(second.cpu_percent, Some(25.0));
        let (third, _) = reading(STAT, Some(cpu)).unwrap();
        assert_eq!(third.cpu_percent, None, "no time has passed");
    }

    #[test]
    fn a_file_that_is_not_understood_is_named() {
        for (stat, meminfo, named) in [
            ("", MEMINFO, "stat"),
            ("cpu a b\n", MEMINFO, "stat"),
            (STAT, "MemTotal: much\n", "meminfo"),
        ] {
            let error = Reading::of("t".into(), None, LOADAVG, meminfo, stat, "1 1").unwrap_err();
            assert!(error.contains(&format!("file {named} ")), "{error}");
        }
        let error = Reading::take(Path::new("/nowhere"), "t".into(), None).unwrap_err();
        assert!(
            error.contains("/nowhere/loadavg") && error.contains("Grant"),
            "{error}"
        );
    }
}
