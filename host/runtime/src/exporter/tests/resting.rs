//! What an exporter gives back that rests, and how it comes back.

use std::fs;

use super::*;
use crate::testing::Compiled;

/// An exporter of a component that was loaded from its file.
async fn opened(component: &Component) -> Exporter {
    component.open(settings()).await.unwrap()
}

#[tokio::test]
async fn an_exporter_that_rests_is_made_anew_and_remembers() {
    let stage = Compiled::new();
    let component = stage.host.runtime.load(&stage.wasm).await.unwrap();
    assert!(stage.is_mapped());
    let mut exporter = opened(&component).await;
    exporter.export(&batch("w")).await.unwrap();
    assert_eq!(refused_by_count(&mut exporter).await, 1);
    exporter.rest();
    assert!(!stage.is_mapped());
    assert_eq!(refused_by_count(&mut exporter).await, 0);
    assert!(stage.is_mapped());
    assert_eq!(remembered(&exporter), b"w");
    assert_eq!(stage.runs(), 1);
}

#[tokio::test]
async fn native_code_stays_while_one_of_several_exporters_works_and_goes_with_the_last() {
    let stage = Compiled::new();
    let component = stage.host.runtime.load(&stage.wasm).await.unwrap();
    let mut resting = opened(&component).await;
    let mut working = opened(&component).await;
    resting.rest();
    assert!(stage.is_mapped());
    working.export(&batch("ok")).await.unwrap();
    // One that ends without a rest counts as well.
    drop(working);
    assert!(!stage.is_mapped());
    let mut other = opened(&component).await;
    let (one, two) = (batch("ok"), batch("ok"));
    let (one, two) = tokio::join!(resting.export(&one), other.export(&two));
    assert_eq!((one.unwrap(), two.unwrap()), Default::default());
    resting.rest();
    other.rest();
    assert!(!stage.is_mapped());
}

#[tokio::test]
async fn who_asks_a_resting_component_who_it_is_keeps_nothing() {
    let stage = Compiled::new();
    let component = stage.host.runtime.load(&stage.wasm).await.unwrap();
    component.describe(Limits::default()).await.unwrap();
    assert!(stage.is_mapped(), "for whoever opens it next");
    opened(&component).await.rest();
    component.describe(Limits::default()).await.unwrap();
    assert!(!stage.is_mapped());
}

#[tokio::test]
async fn a_resting_exporter_goes_on_with_its_version_when_the_file_is_another() {
    let stage = Compiled::new();
    let component = stage.host.runtime.load(&stage.wasm).await.unwrap();
    let mut exporter = opened(&component).await;
    exporter.rest();
    fs::write(&stage.wasm, "another").unwrap();
    exporter.export(&batch("ok")).await.unwrap();
    exporter.rest();
    fs::remove_file(&stage.wasm).unwrap();
    exporter.export(&batch("ok")).await.unwrap();
}

#[tokio::test]
async fn what_the_cache_has_lost_is_compiled_again_of_the_same_file() {
    let stage = Compiled::new();
    let component = stage.host.runtime.load(&stage.wasm).await.unwrap();
    let mut exporter = opened(&component).await;
    let losses: [fn(&std::path::Path); 2] = [
        |file| fs::remove_file(file).unwrap(),
        |file| fs::write(file, "damaged").unwrap(),
    ];
    for (loss, runs) in losses.into_iter().zip(2..) {
        exporter.export(&batch("w")).await.unwrap();
        exporter.rest();
        stage.cached().iter().for_each(|file| loss(file));
        exporter.export(&batch("w")).await.unwrap();
        assert_eq!(stage.runs(), runs);
    }
    assert_eq!(remembered(&exporter), b"wwww");
}

#[tokio::test]
async fn a_version_that_is_lost_is_named_and_goes_on_when_its_file_is_back() {
    let stage = Compiled::new();
    let component = stage.host.runtime.load(&stage.wasm).await.unwrap();
    let mut exporter = opened(&component).await;
    exporter.export(&batch("w")).await.unwrap();
    exporter.rest();
    let file = fs::read(&stage.wasm).unwrap();
    stage
        .cached()
        .iter()
        .for_each(|file| fs::remove_file(file).unwrap());

    fs::remove_file(&stage.wasm).unwrap();
    let missing = exporter.export(&batch("w")).await.unwrap_err();
    fs::write(&stage.wasm, testing::canceling()).unwrap();
    let another = exporter.export(&batch("w")).await.unwrap_err();
    for (error, word) in [(missing, "cannot be read"), (another, "another version")] {
        let ExportFailure::Host(RuntimeError::Lost { .. }) = &error else {
            panic!("{error}")
        };
        let sentence = error.to_string();
        let path = stage.wasm.to_string_lossy();
        for part in [word, component.sha256(), &*path, "Put the file"] {
            assert!(sentence.contains(part), "{part} is not in: {sentence}");
        }
    }
    assert_eq!(stage.runs(), 1, "nothing else is compiled in its place");

    fs::write(&stage.wasm, file).unwrap();
    exporter.export(&batch("w")).await.unwrap();
    assert_eq!(remembered(&exporter), b"ww");
}

#[tokio::test]
async fn canceled_messages_do_not_wake_an_exporter_that_does_not_want_to_know() {
    let stage = Compiled::new();
    let component = stage.host.runtime.load(&stage.wasm).await.unwrap();
    let mut exporter = opened(&component).await;
    exporter.rest();
    // It does not care for them, so it is not woken.
    exporter.cancel(&[], CancelReason::Expired).await.unwrap();
    assert!(!stage.is_mapped());
}
