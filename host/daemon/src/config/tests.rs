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
        "[log]",
        "[plugin.kinesis]",
        "[plugin.kinesis.grants]",
        "[[stream]]",
        "[[stream.export]]",
        "[[producer]]",
    ] {
        let section = sample.split_once(&format!("{table}\n")).unwrap().1;
        let end = section.find("\n[").unwrap_or(section.len());
        for key in keys_of(table) {
            let is_table = ["grants", "export"].contains(&key.as_str());
            let shown = section[..end]
                .lines()
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
fn a_segment_fits_its_stream_or_is_refused() {
    let stream = |sizes: &str| parse(&format!("[[stream]]\nname = \"s\"\n{sizes}"));
    let small = stream("max-size = \"1 MiB\"").unwrap();
    assert_eq!(small.stream[0].segment_size(), units::Size::mebibytes(1));
    let error = stream("max-size = \"1 MiB\"\nsegment-size = \"2 MiB\"").unwrap_err();
    assert!(error.contains("segment-size must not be more"), "{error}");
}
