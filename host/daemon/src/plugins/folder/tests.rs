use super::*;

fn file(length: u64) -> Found {
    Found {
        file: Some(Stamp {
            length,
            inode: 1,
            changed: [(0, 0); 2],
        }),
        signature: None,
    }
}

const NOTHING: Found = Found {
    file: None,
    signature: None,
};

#[test]
fn what_lies_there_at_first_is_loaded_at_once_and_once() {
    let now = Instant::now();
    let mut looks = Looks::new(now);
    assert_eq!(looks.look(file(1), now), Step::Load);
    looks.due = None;
    assert_eq!(looks.look(file(1), now + LOOK), Step::Wait);
    assert_eq!(Looks::new(now).look(NOTHING, now), Step::Leave);
}

#[test]
fn a_file_is_loaded_when_it_stands_still_and_not_while_it_grows() {
    let now = Instant::now();
    let mut looks = Looks::new(now);
    assert_eq!(looks.look(NOTHING, now), Step::Leave);
    for length in 1..40 {
        assert_eq!(looks.look(file(length), now), Step::Wait);
    }
    assert_eq!(looks.look(file(39), now), Step::Load);
}

#[test]
fn a_file_is_given_up_when_it_is_gone_for_two_looks_and_not_while_it_is_replaced() {
    let now = Instant::now();
    let mut looks = Looks::new(now);
    assert_eq!(looks.look(file(1), now), Step::Load);
    looks.due = None;
    assert_eq!(looks.look(NOTHING, now), Step::Wait);
    assert_eq!(looks.look(file(2), now), Step::Wait);
    assert_eq!(looks.look(file(2), now), Step::Load);
    looks.due = None;
    assert_eq!(looks.look(NOTHING, now), Step::Wait);
    assert_eq!(looks.look(NOTHING, now), Step::Leave);
    assert_eq!(looks.look(NOTHING, now), Step::Wait);
}

#[test]
fn what_may_get_better_is_tried_again_when_it_is_due() {
    let now = Instant::now();
    let mut looks = Looks::new(now);
    assert_eq!(looks.look(file(1), now), Step::Load);
    looks.due = Some(COPY_TIME);
    assert_eq!(looks.look(file(1), now + COPY_TIME / 2), Step::Wait);
    assert_eq!(looks.look(file(1), now + COPY_TIME), Step::Load);
}

#[test]
fn a_change_shows_in_what_a_look_finds_whatever_it_leaves_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.wasm");
    let look = |needs_signature| Found::look(&path, needs_signature).unwrap();
    assert_eq!(look(true), NOTHING);
    std::fs::write(&path, "one").unwrap();
    let first = look(true);
    assert_eq!(look(true), first);

    // Another file of the same length and time in its place.
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let other = folder.path().join("other");
    std::fs::write(&other, "two").unwrap();
    let times = std::fs::FileTimes::new().set_modified(modified);
    let opened = std::fs::File::options().write(true).open(&other).unwrap();
    opened.set_times(times).unwrap();
    std::fs::rename(&other, &path).unwrap();
    let second = look(true);
    assert_ne!(second, first);

    std::fs::write(signature_file(&path), "signature").unwrap();
    assert_ne!(look(true), second);
    assert_eq!(look(false).file, second.file);
    assert_eq!(look(false).signature, None);
}

#[test]
fn looks_in_vain_are_reported_after_a_moment_and_taken_back_by_whatever_is_found() {
    let now = Instant::now();
    let mut looks = Looks::new(now);
    assert_eq!(looks.look(file(1), now), Step::Load);
    looks.due = None;
    // A moment says nothing.
    assert!(!looks.are_in_vain(now));
    assert!(!looks.are_in_vain(now + SIGNING_TIME / 2));
    assert_eq!(looks.look(file(1), now + SIGNING_TIME), Step::Wait);
    // From here it counts anew.
    assert!(!looks.are_in_vain(now + SIGNING_TIME));
    assert!(looks.are_in_vain(now + 2 * SIGNING_TIME));
    assert!(looks.are_in_vain(now + 3 * SIGNING_TIME));
    assert_eq!(looks.look(file(1), now + 3 * SIGNING_TIME), Step::Load);
}
