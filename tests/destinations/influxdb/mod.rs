//! Points in InfluxDB: version 1 is the real server, version 2 a stand-in that is as strict.

mod outages;
mod v1;
mod v2;

use millstream_tests::{Host, Influxdb};

use crate::setup::Exporting;

/// An export to version 1 at an endpoint, with further keys of its configuration.
fn to_v1<'a>(endpoint: &str, database: &Influxdb, keys: &str) -> Exporting<'a> {
    let database = database.database();
    Exporting {
        plugin: "influxdb",
        grants: format!("hosts = [\"{endpoint}\"]"),
        config: format!(
            "{{ uri = \"{endpoint}\", api = \"v1\", database = \"{database}\"{keys} }}"
        ),
        ..Exporting::default()
    }
}

/// An exporting host whose calls have two seconds.
fn with_short_calls(exporting: &Exporting<'_>) -> Host {
    let text = format!("plugins.call-deadline = \"10s\"\n{}", exporting.text());
    Host::start_with(&text, &exporting.environment)
}

/// Lines without a time, whose values are their numbers.
fn lines(numbers: std::ops::Range<u64>) -> impl Iterator<Item = Vec<u8>> {
    numbers.map(|number| format!("press,machine=4 stroke={number}i").into_bytes())
}

/// The values of the points of [`lines`] in the order of their times.
fn strokes(database: &Influxdb) -> Vec<u64> {
    let (_, rows) = database.query("SELECT stroke FROM press");
    rows.iter().map(|row| row[1].as_u64().unwrap()).collect()
}

fn all(numbers: std::ops::Range<u64>) -> Vec<u64> {
    numbers.collect()
}
