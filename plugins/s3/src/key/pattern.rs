//! Date patterns as `DateTimeFormatter.ofPattern` of Java 8 reads them, in UTC.
//!
//! The rules are those of the class's documentation, in the locale of English in the United States, which
//! is also a Java runtime's own where the system names no language. There, and in Java's neutral locale,
//! a week begins on Sunday and the week with the first of January is the first of the week-based year:
//! `Y` and `w` go by that, and not by ISO 8601. The tests hold this file to what Java printed.

use std::fmt::Write as _;

use jiff::civil::DateTime;

/// The longest number that Java pads to.
const MAX_WIDTH: usize = 19;

/// A pattern that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Item>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Literal(char),
    Field(Field),
    /// A field with spaces before it, up to a width.
    Padded(Field, usize),
}

/// A letter and how often it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    letter: char,
    count: usize,
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut rest = text.chars().peekable();
        let mut pad = None;
        while let Some(letter) = rest.next() {
            if !letter.is_ascii_alphabetic() {
                if pad.is_some() {
                    return Err(pads_nothing(text));
                }
                items.push(Item::Literal(letter));
                continue;
            }
            let mut count = 1;
            while rest.next_if_eq(&letter).is_some() {
                count += 1;
            }
            if letter == 'p' {
                pad = Some(count);
                continue;
            }
            let field = Field { letter, count };
            field.check()?;
            items.push(match pad.take() {
                Some(width) => Item::Padded(field, width),
                None => Item::Field(field),
            });
        }
        match pad {
            Some(_) => Err(pads_nothing(text)),
            None => Ok(Self(items)),
        }
    }

    /// A time in UTC, written by the pattern.
    pub(crate) fn format(&self, time: DateTime) -> Result<String, String> {
        let mut out = String::new();
        for item in &self.0 {
            match *item {
                Item::Literal(literal) => out.push(literal),
                Item::Field(field) => out.push_str(&field.format(time)),
                Item::Padded(field, width) => {
                    let text = field.format(time);
                    if text.len() > width {
                        return Err(format!(
                            "`{text}` is wider than the {width} that `p` pads it to"
                        ));
                    }
                    let _ = write!(out, "{text:>width$}");
                }
            }
        }
        Ok(out)
    }
}

fn pads_nothing(pattern: &str) -> String {
    format!("in the date pattern `{pattern}` the letter `p` pads nothing; put a field behind it")
}

impl Field {
    fn check(self) -> Result<(), String> {
        let Self { letter, count } = self;
        let fits = match letter {
            'u' | 'y' | 'Y' | 'A' | 'n' | 'N' => count <= MAX_WIDTH,
            'G' | 'M' | 'L' | 'Q' | 'q' | 'E' | 'e' | 'X' | 'x' | 'Z' => count <= 5,
            'c' => count <= 5 && count != 2,
            'D' => count <= 3,
            'd' | 'w' | 'h' | 'H' | 'k' | 'K' | 'm' | 's' => count <= 2,
            'S' => count <= 9,
            'z' => count <= 4,
            'O' => matches!(count, 1 | 4),
            'V' => count == 2,
            'W' | 'F' | 'a' => count == 1,
            _ => {
                return Err(format!(
                    "the letter `{letter}` has no meaning in a date pattern"
                ));
            }
        };
        match fits {
            true => Ok(()),
            false => Err(format!(
                "a date pattern cannot have the letter `{letter}` {count} times in a row"
            )),
        }
    }

    fn format(self, time: DateTime) -> String {
        let Self { letter, count } = self;
        let date = time.date();
        let weekday = date.weekday();
        let nanosecond = i64::from(time.subsec_nanosecond());
        let second_of_day = (i64::from(time.hour()) * 60 + i64::from(time.minute())) * 60
            + i64::from(time.second());
        let hour = time.hour();
        match letter {
            'G' => by_width(count, "AD", "Anno Domini", "A"),
            'u' | 'y' => year(date.year().into(), count),
            'Y' => year(week_of_year(time).0, count),
            'D' => number(date.day_of_year(), count),
            'M' | 'L' if count <= 2 => number(date.month(), count),
            'M' | 'L' => name(MONTHS, date.month(), count),
            'd' => number(date.day(), count),
            'Q' | 'q' => quarter((date.month() + 2) / 3, count),
            'w' => number(week_of_year(time).1, count),
            'W' => number(week(date.day().into(), sunday_first(weekday)), count),
            'e' | 'c' if count <= 2 => number(sunday_first(weekday) + 1, count),
            'E' | 'e' | 'c' => name(DAYS, weekday.to_sunday_one_offset(), count),
            'F' => number((date.day() - 1) % 7 + 1, count),
            'a' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'h' => number((hour + 11) % 12 + 1, count),
            'K' => number(hour % 12, count),
            'k' => number((hour + 23) % 24 + 1, count),
            'H' => number(hour, count),
            'm' => number(time.minute(), count),
            's' => number(time.second(), count),
            'S' => format!("{nanosecond:09}")[..count.min(9)].to_owned(),
            'A' => number(second_of_day * 1000 + nanosecond / 1_000_000, count),
            'n' => number(nanosecond, count),
            'N' => number(second_of_day * 1_000_000_000 + nanosecond, count),
            'z' if count == 4 => "Coordinated Universal Time".to_owned(),
            'z' | 'V' => "UTC".to_owned(),
            'X' => "Z".to_owned(),
            'Z' if count == 5 => "Z".to_owned(),
            'O' => "GMT".to_owned(),
            'Z' if count == 4 => "GMT".to_owned(),
            'x' if count == 1 => "+00".to_owned(),
            'x' if count % 2 == 1 => "+00:00".to_owned(),
            // `check` lets nothing else through than `x` and `Z`.
            _ => "+0000".to_owned(),
        }
    }
}

const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: &[&str] = &[
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

fn number(value: impl Into<i64>, width: usize) -> String {
    format!("{:0width$}", value.into())
}

fn year(year: i64, count: usize) -> String {
    match count {
        2 => number(year.rem_euclid(100), 2),
        _ => number(year, count),
    }
}

fn quarter(quarter: i8, count: usize) -> String {
    match count {
        1 | 2 => number(quarter, count),
        3 => format!("Q{quarter}"),
        4 => format!(
            "{} quarter",
            ["1st", "2nd", "3rd", "4th"][usize::from(quarter.unsigned_abs() - 1) % 4]
        ),
        _ => quarter.to_string(),
    }
}

/// The name of a number from 1, in the form that the width asks for.
fn name(names: &[&str], number: i8, count: usize) -> String {
    let index = usize::from(number.unsigned_abs()).saturating_sub(1);
    let full = names.get(index).copied().unwrap_or_default();
    by_width(
        count,
        full.get(..3).unwrap_or(full),
        full,
        full.get(..1).unwrap_or(full),
    )
}

/// Four letters ask for the full form, five for the narrow one, fewer for the short one.
fn by_width(count: usize, short: &str, full: &str, narrow: &str) -> String {
    match count {
        4 => full,
        5 => narrow,
        _ => short,
    }
    .to_owned()
}

/// 0 for Sunday to 6 for Saturday.
fn sunday_first(weekday: jiff::civil::Weekday) -> i64 {
    weekday.to_sunday_zero_offset().into()
}

/// The week, from 1, of a day of a month or year, counted from 1, that falls on `weekday`.
fn week(day: i64, weekday: i64) -> i64 {
    // Days back to the Sunday on or before the first.
    let before = (weekday - (day - 1)).rem_euclid(7);
    (day - 1 + before) / 7 + 1
}

/// The week-based year and the week in it: the week with the first of January belongs to the new year.
fn week_of_year(time: DateTime) -> (i64, i64) {
    let date = time.date();
    let weekday = sunday_first(date.weekday());
    let days_left = i64::from(date.days_in_year()) - i64::from(date.day_of_year());
    if days_left < 6 - weekday {
        return (i64::from(date.year()) + 1, 1);
    }
    (date.year().into(), week(date.day_of_year().into(), weekday))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pattern: &str, time: &str) -> Result<String, String> {
        let time: jiff::Timestamp = time.parse().unwrap();
        Pattern::parse(pattern)?.format(jiff::tz::Offset::UTC.to_datetime(time))
    }

    #[test]
    fn every_letter_and_every_new_year_is_as_java_prints_it() {
        // What OpenJDK 17 printed in the locale en_US and the zone UTC; `-` is an exception.
        let printed = include_str!("java_dates.tsv");
        assert!(printed.lines().count() > 1000);
        for line in printed.lines() {
            let mut fields = line.split('\t');
            let mut next = || fields.next().unwrap();
            let (time, pattern, expected) = (next(), next(), next());
            let found = written(pattern, time).unwrap_or_else(|_| "-".to_owned());
            assert_eq!(found, expected, "{pattern} at {time}");
        }
    }

    #[test]
    fn the_week_based_year_differs_around_new_year() {
        assert_eq!(
            written("yyyy/YYYY/ww", "2025-12-27T23:59:59Z").unwrap(),
            "2025/2025/52"
        );
        assert_eq!(
            written("yyyy/YYYY/ww", "2025-12-28T00:00:00Z").unwrap(),
            "2025/2026/01"
        );
        // ISO 8601 would count this Saturday to the last week of 2026.
        assert_eq!(
            written("yyyy/YYYY/ww", "2027-01-02T00:00:00Z").unwrap(),
            "2027/2027/01"
        );
    }

    #[test]
    fn a_wrong_pattern_is_told_in_words() {
        for (pattern, expected) in [
            ("yyyy/bb", "the letter `b` has no meaning"),
            ("ddd", "the letter `d` 3 times"),
            ("yyyy/p", "`p` pads nothing"),
            ("pMM", "wider than the 1"),
        ] {
            let reason = written(pattern, "2025-12-27T23:59:59Z").unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
