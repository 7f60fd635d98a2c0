//! The formats of the data folder.
//!
//! The catalog names the format of the whole folder. It is the first file that an open reads, and the
//! format the first thing in it that counts, so nothing else is touched before [`admit`] has decided.
//!
//! What a change of the layout has to do:
//!
//! 1. Raise [`CURRENT`], and add an arm to [`admit`] that brings a folder of the format before to the
//!    new one, so that a folder of any age goes through the arms one after another. A step has to be
//!    safe to repeat, because a power cut may end it anywhere; the catalog with the new format is
//!    written last.
//! 2. Keep every folder `tests/fixtures/format-N` as it is and write one for the new format (how is said
//!    in `tests/fixtures.rs`). All of them are opened and compared at each run of the tests.
//! 3. A part that carries a version of its own (chunks, slots of the tails) keeps being read in its
//!    former versions for as long as folders may contain them: no step rewrites messages.
//!
//! A field that is added to the JSON of the catalog or of a cursor, with a default for where it is
//! missing, is no new format; a program that does not know the field drops it.

use std::path::Path;

use crate::error::Error;

/// The format that this program writes.
pub(crate) const CURRENT: u32 = 1;

/// Lets a folder of this format be opened, after bringing it up to [`CURRENT`] where it is older.
///
/// # Errors
///
/// [`Error::NewerFormat`]; [`Error::Folder`] for a format that no program has written.
pub(crate) fn admit(folder: &Path, format: u32) -> Result<(), Error> {
    match format {
        CURRENT => Ok(()),
        0 => Err(Error::folder(
            folder,
            "catalog.json names format 0, which does not exist; restore catalog.json from a backup \
             or from catalog.old.json",
        )),
        newer => Err(Error::NewerFormat {
            path: folder.to_owned(),
            found: newer,
            known: CURRENT,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_format_is_admitted_and_no_other() {
        let folder = Path::new("/data");
        assert_eq!(admit(folder, CURRENT), Ok(()));
        let newer = admit(folder, CURRENT + 1).unwrap_err();
        assert!(matches!(newer, Error::NewerFormat { found, .. } if found == CURRENT + 1));
        let never = admit(folder, 0).unwrap_err();
        assert!(never.to_string().contains("format 0"), "{never}");
    }
}
