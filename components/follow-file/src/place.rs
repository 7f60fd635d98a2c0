//! Where in the file a follower is, and the file in which that is kept.

use std::io::ErrorKind;
use std::path::Path;

use millstream_plugin::log;
use serde::{Deserialize, Serialize};

use crate::file::Identity;

/// Everything before `offset` bytes of this file is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) file: Identity,
    pub(crate) offset: u64,
}

/// The file that outlives this program; none if it shall remember nothing.
#[derive(Debug)]
pub(crate) struct Place<'a>(Option<&'a Path>);

impl<'a> Place<'a> {
    pub(crate) fn new(path: Option<&'a Path>) -> Self {
        Self(path)
    }

    /// What was saved last, if anything was.
    pub(crate) fn load(&self) -> Result<Option<Mark>, String> {
        let Some(path) = self.0 else {
            return Ok(None);
        };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{} cannot be read: {error}.", path.display())),
        };
        let mark = serde_json::from_slice(&text).ok();
        if mark.is_none() {
            log::warn(&format!("{} holds no place: forgotten", path.display()));
        }
        Ok(mark)
    }

    /// Writes beside and renames, so that a crash leaves the place of before or the new one.
    pub(crate) fn save(&self, mark: &Mark) -> Result<(), String> {
        let Some(path) = self.0 else {
            return Ok(());
        };
        let beside = path.with_extension("new");
        let text = serde_json::to_vec(mark).map_err(|error| error.to_string())?;
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, path))
            .map_err(|error| {
                format!(
                    "The place cannot be kept in {}: {error}. Grant its folder with `write = true`.",
                    path.display()
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again_and_what_is_none_is_forgotten() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("app.place");
        let place = Place::new(Some(&path));
        assert_eq!(place.load(), Ok(None));
        let mark = Mark {
            file: Identity(1, u64::MAX),
            offset: 7,
        };
        place.save(&mark).unwrap();
        assert_eq!(place.load(), Ok(Some(mark)));
        std::fs::write(&path, "torn").unwrap();
        assert_eq!(place.load(), Ok(None));
        assert_eq!(Place::new(None).save(&mark), Ok(()));
        let nowhere = folder.path().join("no/where");
        let error = Place::new(Some(&nowhere)).save(&mark).unwrap_err();
        assert!(error.contains("write = true"), "{error}");
    }
}
