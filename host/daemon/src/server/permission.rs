//! Which right each call takes.

use millstream_protocol::definition::Destination;
use millstream_protocol::{Call, Failure, MessageStreamDefinition, Name, ResponseStatusCode};

use crate::access::{Client, Forbidden, Right};

/// Whether a client may do what it asks for. The answer is the same whether or not the stream exists.
///
/// # Errors
///
/// [`Forbidden`], which is the answer.
pub(super) fn check(client: &Client, call: &Call) -> Result<(), Forbidden> {
    match call {
        Call::Create(definition) => define(client, Right::Create, definition),
        Call::Update(definition) => define(client, Right::Administer, definition),
        Call::Delete(name) => client.may(Right::Administer, name),
        Call::Append { name, .. } => client.may(Right::Append, name),
        Call::Read { name, .. } => client.may(Right::Read, name),
        Call::Describe(name) => client.knows(name),
        // A list shows only what the client may know of; a second Connect is refused for all.
        Call::List | Call::Connect(_) => Ok(()),
    }
}

/// A definition takes its own right, and that to append to every stream its exports write to:
/// without it, a client could have others write for it.
fn define(
    client: &Client,
    right: Right,
    definition: &MessageStreamDefinition,
) -> Result<(), Forbidden> {
    client.may(right, &definition.name)?;
    written_to(definition).try_for_each(|stream| client.may(Right::Append, stream))
}

/// The streams that the exports of a stream write to.
fn written_to(definition: &MessageStreamDefinition) -> impl Iterator<Item = &Name> {
    definition
        .exports
        .iter()
        .filter_map(|export| match &export.destination {
            Destination::S3TaskExecutor { status, .. } => status.as_ref()?.stream_name.as_ref(),
            Destination::Http { .. }
            | Destination::IotAnalytics { .. }
            | Destination::Kinesis { .. }
            | Destination::IotSitewise => None,
        })
}

/// The answer to a call that is not allowed.
pub(super) fn refusal(forbidden: &Forbidden) -> Failure {
    Failure::new(ResponseStatusCode::Unauthorized, forbidden.to_string())
}

#[cfg(test)]
mod tests {
    use millstream_protocol::definition::{
        Export, ExportDefinition, StatusConfig, StatusLevel, StrategyOnFull,
    };

    use super::*;
    use crate::access::Rights;

    fn client(rights: Rights) -> Client {
        Client::for_test("c", rights)
    }

    fn rights(right: Right, pattern: &str) -> Rights {
        let mut rights = Rights::default();
        let patterns = match right {
            Right::Create => &mut rights.create,
            Right::Append => &mut rights.append,
            Right::Read => &mut rights.read,
            Right::Administer => &mut rights.administer,
        };
        patterns.push(pattern.parse().unwrap());
        rights
    }

    fn name(name: &str) -> Name {
        name.parse().unwrap()
    }

    fn definition() -> Box<MessageStreamDefinition> {
        let strategy = StrategyOnFull::OverwriteOldestData;
        Box::new(MessageStreamDefinition::new(name("s"), strategy))
    }

    #[test]
    fn each_call_takes_its_own_right_and_no_other() {
        let append = Call::Append {
            name: name("s"),
            payload: "x".into(),
        };
        let read = Call::Read {
            name: name("s"),
            options: Default::default(),
        };
        for (call, needed) in [
            (Call::Create(definition()), Right::Create),
            (Call::Update(definition()), Right::Administer),
            (Call::Delete(name("s")), Right::Administer),
            (append, Right::Append),
            (read, Right::Read),
        ] {
            for given in Right::ALL {
                let outcome = check(&client(rights(given, "s")), &call);
                assert_eq!(outcome.is_ok(), given == needed, "{call:?} with {given:?}");
                assert!(check(&client(rights(given, "t")), &call).is_err());
            }
            assert_eq!(check(&Client::Anyone, &call), Ok(()));
        }
        for given in Right::ALL {
            let describe = Call::Describe(name("s"));
            assert_eq!(check(&client(rights(given, "s")), &describe), Ok(()));
            assert!(check(&client(rights(given, "t")), &describe).is_err());
            assert_eq!(check(&client(rights(given, "t")), &Call::List), Ok(()));
        }
    }

    #[test]
    fn a_status_stream_takes_the_right_to_append_to_it() {
        let status = StatusConfig {
            level: StatusLevel::Info,
            stream_name: Some(name("status")),
        };
        let destination = Destination::S3TaskExecutor {
            multipart_threshold: Destination::DEFAULT_MULTIPART_THRESHOLD,
            status: Some(status),
        };
        let mut wire = definition();
        let export = Export::new(name("e"), destination);
        wire.exports = ExportDefinition::new(vec![export]).unwrap();
        for call in [Call::Create(wire.clone()), Call::Update(wire)] {
            let mut given = rights(Right::Create, "s");
            given.administer = given.create.clone();
            let refused = check(&client(given.clone()), &call).unwrap_err();
            assert!(refused.to_string().contains("\"status\""), "{refused}");
            given.append.push("status".parse().unwrap());
            assert_eq!(check(&client(given), &call), Ok(()));
        }
    }
}
