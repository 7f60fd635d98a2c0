//! Which streams take dead letters, and that letters never come back to where they were.

use std::collections::{BTreeMap, BTreeSet};

use millstream_protocol::Name;

use super::Config;

impl Config {
    /// Every stream that is named for dead letters, with the place in the file that names it.
    pub(crate) fn dead_letter_streams(&self) -> impl Iterator<Item = (String, &str)> {
        let plugins = self.plugin.iter().filter_map(|(name, plugin)| {
            let named = plugin.dead_letters.as_deref()?;
            Some((format!("[plugin.{name}]"), named))
        });
        let exports = self.stream.iter().flat_map(|stream| {
            stream.export.iter().filter_map(move |export| {
                let named = export.dead_letters.as_deref()?;
                let place = format!(
                    "[[stream]] \"{}\": export \"{}\"",
                    stream.name, export.identifier
                );
                Some((place, named))
            })
        });
        plugins.chain(exports)
    }

    /// Only what exports name for themselves can lead in a circle: see
    /// [`exports::dead_letters`](crate::exports::dead_letters).
    pub(super) fn check_dead_letters(&self) -> Result<(), String> {
        for (place, named) in self.dead_letter_streams() {
            if named.parse::<Name>().is_err() {
                return Err(format!(
                    "{place}: dead-letters must be the name of a stream: 1 to 255 letters, digits or \
                     _ , . - and space"
                ));
            }
        }
        let mut named_by: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for stream in &self.stream {
            let named = stream
                .export
                .iter()
                .filter_map(|export| export.dead_letters.as_deref());
            named_by.insert(&stream.name, named.collect());
        }
        for stream in named_by.keys() {
            let (mut seen, mut next) = (BTreeSet::new(), vec![*stream]);
            while let Some(at) = next.pop() {
                for named in named_by.get(at).into_iter().flatten() {
                    if named == stream {
                        return Err(format!(
                            "[[stream]] \"{stream}\": its dead letters would come back to it; let \
                             dead-letters lead to a stream whose own do not lead here"
                        ));
                    }
                    if seen.insert(*named) {
                        next.push(*named);
                    }
                }
            }
        }
        Ok(())
    }
}
