//! Reads line protocol, as far as it takes to know that a server can read it, and gives every line a time.
//!
//! The syntax is that of InfluxDB's documentation ("Line protocol"):
//! `measurement[,tag=value…] field=value[,field=value…] [time]`. A text in quotes may span lines; empty
//! lines and those that begin with `#` mean nothing.

use crate::time::Precision;

/// The lines of a message in one text, each with a time and a line end.
///
/// # Errors
///
/// A line is wrong, or there is none; a sentence says which and why.
pub(crate) fn with_times(text: &str, precision: Precision, usual: i64) -> Result<String, String> {
    let mut out = String::with_capacity(text.len() + 24);
    let mut reader = Reader { rest: text };
    let mut number = 0;
    while reader.skip_to_line() {
        number += 1;
        let wrong = |why: &str| format!("Point {number} is not line protocol: {why}.");
        let begin = reader.rest;
        reader.point().map_err(wrong)?;
        let body = begin
            .get(..begin.len() - reader.rest.len())
            .unwrap_or_default();
        let time = match reader.time().map_err(wrong)? {
            "" => usual,
            time if time.contains('.') => return Err(wrong("its time is no whole number")),
            time => precision
                .nanoseconds(time)
                .ok_or_else(|| wrong("its time is no number, or none that InfluxDB keeps"))?,
        };
        out.push_str(body);
        out.push_str(&format!(" {time}\n"));
    }
    match number {
        0 => Err("The message has no line.".to_owned()),
        _ => Ok(out),
    }
}

/// What is still to be read.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Goes to the beginning of the next line that means something; false at the end.
    fn skip_to_line(&mut self) -> bool {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
            if !self.rest.starts_with('#') {
                return !self.rest.is_empty();
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    /// Measurement, tags and fields.
    fn point(&mut self) -> Result<(), &'static str> {
        self.name(",", " ,").map_err(|_| "it has no measurement")?;
        while self.take(',') {
            self.name("=, ", "=, ").map_err(|_| "a tag has no key")?;
            if !self.take('=') {
                return Err("a tag has no value");
            }
            self.name("=, ", "=, ").map_err(|_| "a tag has no value")?;
        }
        if !self.rest.starts_with(' ') {
            return Err("it has no fields");
        }
        self.rest = self.rest.trim_start_matches(' ');
        loop {
            self.name("=, ", "=, ").map_err(|_| "a field has no key")?;
            if !self.take('=') {
                return Err("a field has no value");
            }
            self.value()?;
            if !self.take(',') {
                return Ok(());
            }
        }
    }

    /// At least one character up to one of `ends`; a backslash before one of `escaped` takes its meaning
    /// away. A line end always ends it.
    fn name(&mut self, escaped: &str, ends: &str) -> Result<(), ()> {
        let mut characters = self.rest.char_indices().peekable();
        let mut end = self.rest.len();
        while let Some((at, character)) = characters.next() {
            let next = characters.peek().map(|&(_, next)| next);
            if character == '\\' && next.is_some_and(|next| next == ' ' || escaped.contains(next)) {
                characters.next();
            } else if character == '\n' || ends.contains(character) {
                end = at;
                break;
            }
        }
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        if name.is_empty() { Err(()) } else { Ok(()) }
    }

    fn value(&mut self) -> Result<(), &'static str> {
        if let Some(text) = self.rest.strip_prefix('"') {
            self.rest = after_text(text).ok_or("a text has no closing quotation mark")?;
            return Ok(());
        }
        let end = self
            .rest
            .find([',', ' ', '\n', '\r'])
            .unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        if is_value(value) {
            Ok(())
        } else {
            Err("a value is no number, no text in quotation marks and no truth value")
        }
    }

    /// What stands behind the fields, to the end of the line.
    fn time(&mut self) -> Result<&'a str, &'static str> {
        let (time, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        let time = time.strip_suffix('\r').unwrap_or(time);
        match time.trim_matches(' ') {
            "" => Ok(""),
            number if time.starts_with(' ') => Ok(number),
            _ => Err("something else than a time stands behind its fields"),
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// What is behind the closing quotation mark of a text.
fn after_text(text: &str) -> Option<&str> {
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return text.get(at + 1..),
            '\\' => {
                characters.next();
            }
            _ => {}
        }
    }
    None
}

/// A number of one of three kinds, or a truth value.
fn is_value(value: &str) -> bool {
    const TRUTH: [&str; 10] = [
        "t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE",
    ];
    if let Some(integer) = value.strip_suffix('i') {
        return integer.parse::<i64>().is_ok() && !integer.starts_with('+');
    }
    if let Some(unsigned) = value.strip_suffix('u') {
        return unsigned.parse::<u64>().is_ok() && !unsigned.starts_with('+');
    }
    // Rust knows `inf` and `nan` too, which InfluxDB does not keep.
    let plain = value.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.'))
        && value.ends_with(|c: char| c.is_ascii_digit() || c == '.');
    TRUTH.contains(&value) || plain && value.parse().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<String, String> {
        with_times(text, Precision::Milliseconds, 42)
    }

    #[test]
    fn lines_keep_their_text_and_all_get_a_time() {
        for (text, expected) in [
            ("m v=1", "m v=1 42\n"),
            ("m v=1 17", "m v=1 17000000\n"),
            ("m v=1 -17  \r\n", "m v=1 -17000000\n"),
            (
                "\n# a comment\nweather,city=Köln\\ Süd,a\\,b\\=c=d temp=21.5,n=3i,u=7u,ok=t,s=\"a b\" 1\n\nm v=-1.5e+3",
                "weather,city=Köln\\ Süd,a\\,b\\=c=d temp=21.5,n=3i,u=7u,ok=t,s=\"a b\" 1000000\nm v=-1.5e+3 42\n",
            ),
            (
                "m\\ x\\,y f\\ g=\"say \\\"hi\\\", a=b\nsecond line \\\\\" 5",
                "m\\ x\\,y f\\ g=\"say \\\"hi\\\", a=b\nsecond line \\\\\" 5000000\n",
            ),
            ("m  v=1", "m  v=1 42\n"),
            ("C:\\dir v=.5", "C:\\dir v=.5 42\n"),
            ("m v=1.", "m v=1. 42\n"),
        ] {
            assert_eq!(lines(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_a_server_would_not_read_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "no line"),
            ("# only this", "no line"),
            ("m", "no fields"),
            ("m ", "a field has no key"),
            ("m v", "a field has no value"),
            ("m v=", "a value is no number"),
            ("m v=1,", "a field has no key"),
            ("m =1", "a field has no key"),
            ("m v=abc", "a value is no number"),
            ("m v=1i2", "a value is no number"),
            ("m v=1.5i", "a value is no number"),
            ("m v=99999999999999999999i", "a value is no number"),
            ("m v=nan", "a value is no number"),
            ("m v=inf", "a value is no number"),
            ("m v=1e999", "a value is no number"),
            ("m v=\"open", "no closing quotation mark"),
            ("m v=\"a\"b", "something else than a time"),
            ("m v=1 soon", "its time"),
            ("m v=1 1.5", "its time"),
            ("m v=1 1 2", "its time"),
            ("m v=1 9223372036854775807", "its time"),
            (",a=b v=1", "no measurement"),
            ("m, v=1", "a tag has no key"),
            ("m,a v=1", "a tag has no value"),
            ("m,a= v=1", "a tag has no value"),
            ("m,a=b", "no fields"),
            ("m,a\nm v=1", "a tag has no value"),
            ("m v=1\nbad", "Point 2"),
            ("{\"a\": 1}", "no"),
        ] {
            let error = lines(text).unwrap_err();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
