//! The component: what the host calls.

use std::cell::RefCell;

use crate::config::Config;
use crate::contract::exports::millstream::plugin::transformer::{
    ConfigError, Description, Guest, Message, Output, Rejection, TransformContext, Transformed,
};
use crate::means::means;

struct Transformer;

crate::contract::export!(Transformer);

thread_local! {
    /// An instance serves one export: its configuration, from `open` on. Nothing else is kept, since a
    /// batch that comes again has to become the same.
    static CONFIG: RefCell<Option<Config>> = const { RefCell::new(None) };
}

impl Guest for Transformer {
    fn describe() -> Description {
        Description {
            name: "{{name}}".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Makes one message of the readings of each sensor in a batch, with their mean.".into(),
            config_schema: include_str!("config.schema.json").into(),
            // Of one reading it makes one message at most.
            most_outputs: 1,
        }
    }

    fn open(_context: TransformContext, config: String) -> Result<(), ConfigError> {
        let config = Config::parse(&config)
            .map_err(|wrong| ConfigError { field: wrong.field, message: wrong.message })?;
        CONFIG.set(Some(config));
        Ok(())
    }

    fn transform(batch: Vec<Message>) -> Result<Transformed, String> {
        CONFIG.with_borrow(|config| match config {
            Some(config) => Ok(transform(config, &batch)),
            None => Err("It was not opened.".into()),
        })
    }
}

fn transform(config: &Config, batch: &[Message]) -> Transformed {
    let made = means(config, batch.iter().map(|message| message.payload.as_slice()));
    let outputs = made.means.into_iter();
    let rejected = made.rejected.into_iter();
    Transformed {
        outputs: outputs.map(|mean| Output { sources: mean.sources, payload: mean.payload }).collect(),
        rejected: rejected.map(|(index, reason)| Rejection { index, reason }).collect(),
    }
}
