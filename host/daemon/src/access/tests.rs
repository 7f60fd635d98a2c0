use std::path::Path;

use super::*;
use crate::config::Server;

fn config(folder: &Path) -> Config {
    Config {
        server: Server {
            authentication: Authentication::Tokens,
            ..Server::default()
        },
        base: folder.to_owned(),
        ..Config::default()
    }
}

fn rights(append: &[&str], read: &[&str]) -> Rights {
    let patterns = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    Rights {
        append: patterns(append),
        read: patterns(read),
        ..Rights::default()
    }
}

fn gate(folder: &Path) -> Gate {
    match Access::load(&config(folder)).unwrap() {
        Access::Tokens(gate) => gate,
        Access::Open => panic!("tokens were asked for"),
    }
}

fn name(name: &str) -> millstream_protocol::Name {
    name.parse().unwrap()
}

#[test]
fn a_token_leads_to_its_client_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = ClientsFile::of(&config(folder.path()));
    let one = file.add(&name("one"), &rights(&["a*"], &[])).unwrap();
    let two = file.add(&name("two"), &rights(&[], &["*"])).unwrap();
    let access = Access::load(&config(folder.path())).unwrap();
    let admitted = |token: &str| access.admit(AuthToken::new(token).as_ref());
    assert_eq!(admitted(one.reveal()).unwrap().name(), Some(&name("one")));
    let client = admitted(two.reveal()).unwrap();
    assert_eq!(client.name(), Some(&name("two")));
    let wrong = format!("{}0", two.reveal());
    for nobody in ["", "x", &wrong, &two.reveal()[1..]] {
        assert!(admitted(nobody).is_none(), "{nobody}");
    }
    assert!(access.admit(None).is_none());

    assert_eq!(client.may(Right::Read, &name("any")), Ok(()));
    let refused = client.may(Right::Append, &name("any")).unwrap_err();
    let sentence = refused.to_string();
    for part in ["\"two\"", "append to", "\"any\""] {
        assert!(sentence.contains(part), "{sentence}");
    }
    assert!(client.sees("any"));
    let one = admitted(one.reveal()).unwrap();
    assert!(one.sees("abc") && !one.sees("bc"));
    assert!(
        one.knows(&name("bc"))
            .unwrap_err()
            .to_string()
            .contains("\"bc\"")
    );
}

#[test]
fn a_file_that_is_missing_or_wrong_is_named_with_what_to_do_and_without_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let problem = || {
        Access::load(&config(folder.path()))
            .err()
            .unwrap()
            .to_string()
    };
    assert!(problem().contains("millstream client add"), "{}", problem());
    let hash = format!("sha256:{}", "0".repeat(64));
    for (text, expected) in [
        (
            "[[client]]\nname = \"a\"\ntoken = \"mlst_secret\"",
            "line 3: the token is not",
        ),
        (
            &format!("[[client]]\nname = \"a\"\ntoken = \"{hash}\"\napend = []"),
            "did you mean \"append\"",
        ),
        (
            &format!("[[client]]\nname = \"a/\"\ntoken = \"{hash}\""),
            "a name has 1 to 255",
        ),
        (
            &format!("[[client]]\nname = \"a\"\ntoken = \"{hash}\"\nread = [\"/\"]"),
            "line 4",
        ),
        (
            &format!(
                "[[client]]\nname = \"a\"\ntoken = \"{hash}\"\n[[client]]\nname = \"b\"\ntoken = \"{hash}\""
            ),
            "the token is used twice",
        ),
        ("[[cleint]]", "did you mean \"client\""),
        ("[[client]]\nname = \"a\"", "missing field \"token\""),
    ] {
        std::fs::write(folder.path().join("clients.toml"), text).unwrap();
        let problem = problem();
        assert!(
            problem.contains(expected) && problem.contains("clients.toml"),
            "{problem}"
        );
        assert!(
            !problem.contains("secret") && !problem.contains(&hash),
            "{problem}"
        );
    }
}

#[test]
fn edits_keep_what_people_have_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clients.toml");
    let file = ClientsFile::of(&config(folder.path()));
    for client in ["one", "two", "three"] {
        file.add(&name(client), &rights(&[client], &[])).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("append = [\"two\"]", "append = [\n  \"two\", # its own\n]");
    let text = text.replace(
        "\n[[client]]\nname = \"three\"",
        "\n# the third\n[[client]]\nname = \"three\"",
    );
    std::fs::write(&path, &text).unwrap();

    let token = file.rotate(&name("two")).unwrap();
    file.remove(&name("one")).unwrap();
    let edited = std::fs::read_to_string(&path).unwrap();
    for kept in ["# its own", "# the third", "# The clients of"] {
        assert!(edited.contains(kept), "{edited}");
    }
    file.remove(&name("two")).unwrap();
    let edited = std::fs::read_to_string(&path).unwrap();
    assert!(
        edited.contains("# the third\n[[client]]\nname = \"three\""),
        "{edited}"
    );
    assert!(!edited.contains("\"two\""), "{edited}");
    assert!(!edited.contains(token.reveal()));

    let refused = file.add(&name("three"), &Rights::default()).err().unwrap();
    assert!(refused.to_string().contains("already"), "{refused}");
    let refused = file.remove(&name("thre")).unwrap_err();
    assert!(refused.to_string().contains("\"three\""), "{refused}");
    assert_eq!(file.load().unwrap().len(), 1);
}

#[test]
fn the_file_is_for_its_owner_alone_and_is_never_half_written() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = ClientsFile::of(&config(folder.path()));
    // Several at once: each comes to its turn.
    std::thread::scope(|scope| {
        for number in 0..8 {
            let file = &file;
            scope.spawn(move || {
                let client = name(&format!("client-{number}"));
                file.add(&client, &Rights::default()).map(drop).unwrap();
            });
        }
    });
    assert_eq!(file.load().unwrap().len(), 8);
    let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_changed_file_changes_rights_at_once_and_ends_those_who_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = ClientsFile::of(&config(folder.path()));
    let stays = file.add(&name("stays"), &rights(&["a"], &[])).unwrap();
    let goes = file.add(&name("goes"), &rights(&["a"], &[])).unwrap();
    let turns = file.add(&name("turns"), &rights(&["a"], &[])).unwrap();
    let gate = gate(folder.path());
    let find = |token: &Token| gate.find(&token.hash());
    let (stays_now, goes_now, turns_now) = (
        find(&stays).unwrap(),
        find(&goes).unwrap(),
        find(&turns).unwrap(),
    );

    file.remove(&name("goes")).unwrap();
    let turned = file.rotate(&name("turns")).unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    std::fs::write(
        file.path(),
        text.replace("append = [\"a\"]", "append = [\"b\"]"),
    )
    .unwrap();
    gate.take(file.load().unwrap());

    goes_now.revoked().await;
    turns_now.revoked().await;
    assert!(goes_now.may(Right::Append, &name("a")).is_err());
    assert!(find(&goes).is_none() && find(&turns).is_none());
    assert!(find(&turned).is_some());
    assert_eq!(stays_now.may(Right::Append, &name("b")), Ok(()));
    assert!(stays_now.may(Right::Append, &name("a")).is_err());
    tokio::select! {
        biased;
        () = stays_now.revoked() => panic!("it is still there"),
        () = std::future::ready(()) => {}
    }
}

#[test]
fn a_file_that_is_being_written_is_looked_at_again_before_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let file = ClientsFile::of(&config(folder.path()));
    file.add(&name("a"), &rights(&["a"], &[])).unwrap();
    let unsettled = |snapshot| match snapshot {
        Snapshot::Unsettled(stamp) => stamp,
        _ => panic!("it counts at once"),
    };
    let changed = |snapshot| match snapshot {
        Snapshot::Changed(stamp, entries) => (stamp, entries.unwrap().len()),
        _ => panic!("it does not count"),
    };
    let first = unsettled(file.look(Stamp::default(), Stamp::default()));
    let (taken, clients) = changed(file.look(Stamp::default(), first));
    assert_eq!(clients, 1);
    assert!(matches!(file.look(taken, first), Snapshot::Same));
    // Cut off and not yet written, as an editor has it for a moment: a valid file without clients.
    let text = std::fs::read_to_string(file.path()).unwrap();
    std::fs::write(file.path(), "").unwrap();
    let empty = unsettled(file.look(taken, taken));
    std::fs::write(file.path(), text + "# edited\n").unwrap();
    let edited = unsettled(file.look(taken, empty));
    assert_eq!(changed(file.look(taken, edited)).1, 1);
}
