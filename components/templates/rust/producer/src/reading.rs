//! What is measured. This one counts.

use std::time::SystemTime;

/// The message of a reading: its number, and when it was made, in seconds since the Unix epoch.
pub fn reading(number: u64, time: SystemTime) -> Vec<u8> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!(r#"{{"number":{number},"time":{:.3}}}"#, since.as_secs_f64()).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_reading_is_a_json_object() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1500);
        assert_eq!(reading(7, time), br#"{"number":7,"time":1.500}"#);
    }
}
