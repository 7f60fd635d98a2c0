//! What is measured. This one counts.

/// The message of a reading.
pub fn reading(number: u64) -> Vec<u8> {
    format!(r#"{{"number":{number}}}"#).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_a_json_object() {
        assert_eq!(reading(7), br#"{"number":7}"#);
    }
}
