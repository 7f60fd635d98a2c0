//! `file:` URLs of tasks, read as Java reads them (specification 5.1).

/// The absolute path that a URL names, percent-decoded, without `.` and `..`.
///
/// Whether the path lies in a granted folder is not decided here: the sandbox has no other folders, and
/// follows no link out of them.
///
/// # Errors
///
/// A sentence, if the text is no URL of a local file.
pub(crate) fn path_of(url: &str) -> Result<String, String> {
    let rest = match url.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => rest,
        _ => {
            return Err(format!(
                "`{url}` is not the URL of a local file, which looks like `file:/path/to/file`"
            ));
        }
    };
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if !(host.is_empty() || host.eq_ignore_ascii_case("localhost")) {
                return Err(format!(
                    "`{url}` names a file of the machine `{host}`; only those of this device can be \
                     uploaded"
                ));
            }
            path
        }
        None => rest,
    };
    if let Some(mark) = path
        .chars()
        .find(|character| matches!(character, '?' | '#'))
    {
        return Err(format!(
            "`{url}` has a `{mark}`, which no path of a URL can have; write it as `%{:02X}`",
            u32::from(mark)
        ));
    }
    let path = decode(path).ok_or_else(|| {
        format!("`{url}` has a `%` that is not followed by two hexadecimal digits of UTF-8")
    })?;
    if path.contains('\0') {
        return Err(format!("`{url}` has a NUL character in its path"));
    }
    match path.starts_with('/') {
        true => Ok(normal(&path)),
        false => Err(format!("the path of `{url}` is not absolute")),
    }
}

/// Turns each `%XX` into its byte; none if that is not possible, or not UTF-8 then. A `+` is a `+`.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? << 4 | digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// The path without empty steps, `.` and `..`; there is nothing above the root.
fn normal(path: &str) -> String {
    let mut steps = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    format!("/{}", steps.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_a_local_file_are_one_path() {
        for url in [
            "file:/var/data/a b.txt",
            "file:///var/data/a%20b.txt",
            "FILE://localhost/var/data/a%20b.txt",
            "file:/var//./data/x/../a%20b.txt",
            "file:/var/data/%2e%2e/%64ata/a%20b.txt",
            "file:/../../var/data/a b.txt",
        ] {
            assert_eq!(path_of(url).unwrap(), "/var/data/a b.txt", "{url}");
        }
        assert_eq!(path_of("file:/a+b/%C3%A9").unwrap(), "/a+b/é");
        assert_eq!(
            path_of("file:/in/%2e%2e%2fetc/passwd").unwrap(),
            "/etc/passwd"
        );
    }

    #[test]
    fn what_is_no_local_file_is_refused_with_the_reason() {
        for (url, expected) in [
            ("/var/data/a", "not the URL of a local file"),
            ("http://example.com/a", "not the URL of a local file"),
            ("", "not the URL of a local file"),
            ("file:var/data", "not absolute"),
            ("file:", "not absolute"),
            ("file://", "not absolute"),
            ("file://localhost", "not absolute"),
            ("file://server/share/a", "machine `server`"),
            ("file:/a%00b", "NUL"),
            ("file:/a%2", "hexadecimal"),
            ("file:/a%+1", "hexadecimal"),
            ("file:/a%zz", "hexadecimal"),
            ("file:/a%ff", "hexadecimal"),
            ("file:/a?b", "`%3F`"),
            ("file:/a#b", "`%23`"),
        ] {
            let reason = path_of(url).unwrap_err();
            assert!(reason.contains(expected), "{url}: {reason}");
        }
    }
}
