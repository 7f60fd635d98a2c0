use super::*;

fn parse(text: &str) -> Result<Config, String> {
    let path = Path::new("millstream.toml");
    let config = Config::parse(path, text).map_err(|problem| problem.to_string())?;
    config.check().map(|()| config)
}

/// The sample with its examples switched on.
fn whole_sample() -> String {
    SAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            // Prose has a space behind the sign.
            Some(example) if !example.starts_with(' ') => example,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_sample_is_valid_as_it_is_and_with_every_example_switched_on() {
    parse(SAMPLE).unwrap();
    let config = parse(&whole_sample()).unwrap();
    assert_eq!(config.stream[0].export[0].plugin, "file");
    assert_eq!(config.producer[0].grants.append, ["telemetry"]);
    assert_eq!(config.plugin["kinesis"].grants.aws_services, ["kinesis"]);
    assert_eq!(config.secrets().iter().count(), 2);
}

#[test]
fn the_sample_shows_every_key() {
    // Serde tells the keys of a table to whoever gives it an unknown one.
    let keys_of = |table: &str| -> Vec<String> {
        let text = match table {
            "" => "unknown-key = 1".to_owned(),
            "[[stream]]" => "[[stream]]\nname = \"s\"\nunknown-key = 1".to_owned(),
            "[[stream.export]]" => {
                "[[stream]]\nname = \"s\"\n[[stream.export]]\nunknown-key = 1".to_owned()
            }
            "[producer.grants]" => {
                "[[producer]]\nname = \"p\"\ncomponent = \"c\"\n[producer.grants]\nunknown-key = 1"
                    .to_owned()
            }
            table => format!("{table}\nunknown-key = 1"),
        };
        let error = parse(&text).unwrap_err();
        let (_, keys) = error.split_once("the keys here are ").unwrap();
        keys.split(", ").map(str::to_owned).collect()
    };
    let sample = whole_sample();
    for table in [
        "[server]",
        "[http]",
        "[storage]",
        "[plugins]",
        "[exports]",
        "[aws]",
        "[aws.assume-role]",
        "[aws.iot-credentials]",
        "[log]",
        "[plugin.kinesis]",
        "[plugin.kinesis.grants]",
        "[[stream]]",
        "[[stream.export]]",
        "[[producer]]",
    ] {
        // Some are there more than once, each with other keys.
        let sections: Vec<&str> = sample
            .split(&format!("{table}\n"))
            .skip(1)
            .map(|section| section.split("\n[").next().unwrap())
            .collect();
        for key in keys_of(table) {
            let is_table =
                ["grants", "export", "assume-role", "iot-credentials"].contains(&key.as_str());
            let shown = sections
                .iter()
                .flat_map(|section| section.lines())
                .any(|line| line.starts_with(&format!("{key} =")));
            assert!(is_table || shown, "{table} {key}");
        }
    }
}

#[test]
fn the_defaults_in_the_sample_are_the_real_ones() {
    let sample = format!("{:?}", parse(SAMPLE).unwrap());
    assert_eq!(sample, format!("{:?}", Config::default()));
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_known_one() {
    let error = parse("[server]\nlisten = \"127.0.0.1:0\"\nmax-conections = 3\n").unwrap_err();
    assert_eq!(
        error,
        "millstream.toml, line 3: unknown key \"max-conections\"; did you mean \
         \"max-connections\"?"
    );
}

#[test]
fn a_wrong_type_and_a_wrong_unit_say_what_would_be_right() {
    let error = parse("[server]\nmax-connections = \"many\"").unwrap_err();
    assert!(
        error.contains("line 2") && error.contains("expected usize"),
        "{error}"
    );
    let error = parse("[storage]\ncache = \"4 miles\"").unwrap_err();
    assert!(error.contains("\"4 miles\" is not a size"), "{error}");
    let error = parse("[exports]\nlinger = \"soon\"").unwrap_err();
    assert!(
        error.contains("\"soon\" is not a length of time"),
        "{error}"
    );
}

#[test]
fn an_address_that_others_can_reach_needs_consent() {
    let error = parse("[server]\nlisten = \"0.0.0.0:8088\"").unwrap_err();
    assert!(
        error.contains("allow-remote") && error.contains("not authenticated"),
        "{error}"
    );
    let tokens = "[server]\nlisten = \"0.0.0.0:8088\"\nauthentication = \"tokens\"\n";
    let error = parse(tokens).unwrap_err();
    assert!(
        error.contains("allow-remote") && error.contains("encrypted"),
        "{error}"
    );
    parse(&format!("{tokens}allow-remote = true")).unwrap();
}

#[test]
fn a_frame_has_to_fit_into_what_a_client_may_have_in_flight() {
    let error = parse("[server]\nmax-frame = \"64 MiB\"").unwrap_err();
    assert!(error.contains("max-in-flight"), "{error}");
    let error = parse("[server]\nmax-in-flight = \"64 MiB\"").unwrap_err();
    assert!(error.contains("max-in-flight-total"), "{error}");
    parse("[server]\nmax-in-flight = \"64 MiB\"\nmax-in-flight-total = \"64 MiB\"").unwrap();
}

#[test]
fn a_grant_that_is_no_host_is_refused() {
    let error = parse("[plugin.x.grants]\nhosts = [\"ftp://host\"]").unwrap_err();
    assert!(
        error.contains("[plugin.x]") && error.contains("ftp"),
        "{error}"
    );
}

#[test]
fn dead_letters_never_come_back_to_where_they_were() {
    let streams = |named: &[(&str, &str)]| {
        let stream = |(name, dead): &(&str, &str)| {
            format!(
                "[[stream]]\nname = \"{name}\"\n[[stream.export]]\nidentifier = \"e\"\nplugin = \
                 \"p\"\ndead-letters = \"{dead}\"\n"
            )
        };
        parse(&named.iter().map(stream).collect::<String>())
    };
    for circle in [
        &[("a", "a")][..],
        &[("a", "b"), ("b", "a")],
        &[("x", "a"), ("a", "b"), ("b", "c"), ("c", "a")],
    ] {
        let error = streams(circle).unwrap_err();
        assert!(
            error.contains("\"a\": its dead letters would come back"),
            "{error}"
        );
    }
    // Several may lead to one, and one that takes letters may have another for its own.
    let config = streams(&[("a", "c"), ("b", "c"), ("c", "d")]).unwrap();
    assert_eq!(config.dead_letter_streams().count(), 3);
    let error = parse("[plugin.p]\ndead-letters = \"a/b\"").unwrap_err();
    assert!(
        error.contains("[plugin.p]: dead-letters must be the name"),
        "{error}"
    );
}

#[test]
fn a_segment_fits_its_stream_or_is_refused() {
    let stream = |sizes: &str| parse(&format!("[[stream]]\nname = \"s\"\n{sizes}"));
    let small = stream("max-size = \"1 MiB\"").unwrap();
    assert_eq!(small.stream[0].segment_size(), units::Size::mebibytes(1));
    let error = stream("max-size = \"1 MiB\"\nsegment-size = \"2 MiB\"").unwrap_err();
    assert!(error.contains("segment-size must not be more"), "{error}");
}

#[test]
fn a_webhook_has_a_path_of_its_own_at_an_address_that_is_on() {
    let webhook = |http: &str, keys: &str| {
        let text = format!("{http}[[producer]]\nname = \"w\"\ncomponent = \"webhook\"\n{keys}\n");
        parse(&text)
    };
    let on = "[http]\nlisten = \"127.0.0.1:0\"\n";
    for path in ["/hooks", "/hooks/press-4", "/a/b.c/~d"] {
        webhook(on, &format!("path = \"{path}\"")).unwrap();
    }
    for (keys, said) in [
        ("path = \"hooks\"", "must look like"),
        ("path = \"/\"", "must look like"),
        ("path = \"/hooks/\"", "must look like"),
        ("path = \"/hooks/../metrics\"", "must look like"),
        ("path = \"/hooks?x\"", "must look like"),
        ("path = \"/metrics\"", "the host's own"),
        ("path = \"/exports/mine\"", "the host's own"),
        ("path = \"/h\"\nstdout = \"s\"", "neither stdout nor"),
        ("requests = { parallel = 1 }", "there is no path"),
        ("path = \"/h\"\nrequests = { parallel = 0 }", "1 and 64"),
        (
            "path = \"/h\"\nrequests = { max-body = \"1 GiB\" }",
            "16 MiB",
        ),
        ("path = \"/h\"\nrequests = { timeout = \"1h\" }", "4m"),
        ("longest-line = \"0 B\"", "longest-line"),
        ("stop-timeout = \"2h\"", "an hour"),
    ] {
        let error = webhook(on, keys).unwrap_err();
        assert!(
            error.contains(said) && error.contains("\"w\""),
            "{keys}: {error}"
        );
    }
    let error = webhook("", "path = \"/h\"").unwrap_err();
    assert!(error.contains("set http.listen"), "{error}");
    let two = "[[producer]]\nname = \"v\"\ncomponent = \"c\"\npath = \"/h\"\n";
    let error = webhook(&format!("{on}{two}"), "path = \"/h\"").unwrap_err();
    assert!(error.contains("\"/h\" is used twice"), "{error}");
}
