use super::*;

fn output(sources: &[u32], payload: &[u8]) -> wit::Output {
    wit::Output {
        sources: sources.to_vec(),
        payload: payload.to_vec(),
    }
}

fn rejection(index: u32) -> wit::Rejection {
    wit::Rejection {
        index,
        reason: "a\nreason".into(),
    }
}

fn answer(outputs: Vec<wit::Output>, rejected: Vec<wit::Rejection>) -> wit::Transformed {
    wit::Transformed { outputs, rejected }
}

#[test]
fn an_answer_within_the_contract_is_taken_as_it_is() {
    let outputs = vec![
        output(&[0, 1], b"a"),
        output(&[1], b"b"),
        output(&[4], b"c"),
    ];
    let transformed = check(answer(outputs, vec![rejection(3)]), 5, 2).unwrap();
    let sources: Vec<_> = transformed
        .outputs
        .iter()
        .map(|it| it.sources.clone())
        .collect();
    assert_eq!(sources, [vec![0, 1], vec![1], vec![4]]);
    let [(3, reason)] = transformed.rejected.as_slice() else {
        panic!("{:?}", transformed.rejected);
    };
    assert!(!reason.contains('\n'), "{reason}");
}

#[test]
fn every_breach_of_the_contract_is_named() {
    for (outputs, rejected, word) in [
        (
            vec![output(&[5], b"x")],
            vec![],
            "message 5 of a batch of 5",
        ),
        (vec![output(&[], b"x")], vec![], "no source"),
        (vec![output(&[0], b"")], vec![], "without a byte"),
        (vec![output(&[1, 0], b"x")], vec![], "not in order"),
        (vec![output(&[1, 1], b"x")], vec![], "not in order"),
        (
            vec![output(&[2], b"x"), output(&[0, 1], b"y")],
            vec![],
            "last sources",
        ),
        (
            vec![output(&[0], b"x"), output(&[0], b"y"), output(&[0], b"z")],
            vec![],
            "more of message 0",
        ),
        (
            vec![output(&[2], b"x")],
            vec![rejection(2)],
            "rejects message 2 and",
        ),
        (vec![], vec![rejection(1), rejection(1)], "twice"),
        (vec![], vec![rejection(9)], "message 9 of a batch of 5"),
    ] {
        let problem = check(answer(outputs, rejected), 5, 2).unwrap_err();
        assert!(problem.contains(word), "{problem} / {word}");
    }
}
