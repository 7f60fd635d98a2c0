//! The attacks, by name.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what goes there is an attack, or says what became of it"
)]

use std::hint::black_box;
use std::io::Write;
use std::time::Duration;

use millstream_plugin::stop;
use millstream_plugin::streams::{self, ReadOptions};

/// More than any line, or any memory, is to be.
const GIANT: usize = 64 << 20;

pub(crate) fn run() {
    let attack = std::env::args().nth(1).unwrap_or_default();
    match attack.as_str() {
        "print-the-environment" => print_the_environment(),
        "endless-loop" => loop_for_ever(),
        "memory-grab" => grab(),
        "giant-line" => print_a_giant_line(),
        "deaf" => ignore_the_stop(),
        "other-streams" => reach_for_other_streams(),
        other => eprintln!("there is no attack \"{other}\""),
    }
}

fn print_the_environment() {
    for (name, value) in std::env::vars() {
        println!("{name}={value}");
    }
}

fn loop_for_ever() {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_mul(3).wrapping_add(1));
    }
}

fn grab() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Between two lines of which nothing is wrong.
fn print_a_giant_line() {
    println!("before");
    let piece = [b'x'; 4096];
    let mut output = std::io::stdout();
    for _ in 0..GIANT / piece.len() {
        if output.write_all(&piece).is_err() {
            return;
        }
    }
    println!("\nafter");
}

/// It is told that the host wants it to end, and goes on.
fn ignore_the_stop() {
    println!("deaf");
    loop {
        stop::wait(Duration::from_millis(10));
    }
}

fn reach_for_other_streams() {
    let appended = streams::append("secret", &[b"forged".to_vec()]);
    eprintln!("append got through: {}", appended.is_ok());
    let options = ReadOptions {
        start: 0,
        min_count: 1,
        max_count: 10,
        timeout_ms: 0,
    };
    let read = streams::read("secret", options);
    eprintln!("read got through: {}", read.is_ok());
}
