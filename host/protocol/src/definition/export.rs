//! The exports of a stream (section 4).

use std::collections::HashSet;

use crate::codes::codes;
use crate::error::clipped;
use crate::{Bounded, Name, ProtocolError, SequenceNumber};

/// The number of messages in a full batch. The greatest depends on the destination:
/// [`ExportKind::max_batch_size`].
pub type BatchSize = Bounded<1, 500>;

/// The age at which an incomplete batch leaves, in milliseconds.
pub type BatchIntervalMillis = Bounded<60_000, 9_223_372_036_854>;

/// The rank of an export: the lower the number, the sooner it is served.
pub type Priority = Bounded<1, 10>;

/// The size above which a file is uploaded in parts, in bytes.
pub type MultipartThreshold = Bounded<5_242_880, { crate::bounded::MAX_INTEGER }>;

/// One export of a stream: an identifier, a cursor of its own, and a destination.
///
/// S3 tasks are carried out one at a time: an export to
/// [`S3TaskExecutor`](Destination::S3TaskExecutor) has a batch size of 1, and the wire has no place
/// for its `batch_size`, `batch_interval_millis` and `start_sequence_number`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Unique in the stream; the cursor belongs to it.
    pub identifier: Name,
    /// The rank among all exports.
    pub priority: Priority,
    /// Whether the export pauses.
    pub disabled: bool,
    /// The number of messages in a full batch.
    pub batch_size: BatchSize,
    /// The age at which an incomplete batch leaves; without it, the server chooses.
    pub batch_interval_millis: Option<BatchIntervalMillis>,
    /// The message at which the export begins, if the client named one. It is not filled in: an
    /// update is checked against it only where the client asked for it (section 6.4).
    pub start_sequence_number: Option<SequenceNumber>,
    /// Where the messages go.
    pub destination: Destination,
}

impl Export {
    /// The priority of an export that names none: the lowest.
    pub const DEFAULT_PRIORITY: Priority = Priority::MAX;

    /// An enabled export with the defaults of its kind.
    #[must_use]
    pub fn new(identifier: Name, destination: Destination) -> Self {
        Self {
            identifier,
            priority: Self::DEFAULT_PRIORITY,
            disabled: false,
            batch_size: destination.kind().max_batch_size(),
            batch_interval_millis: None,
            start_sequence_number: None,
            destination,
        }
    }

    /// The kind of the destination.
    #[must_use]
    pub const fn kind(&self) -> ExportKind {
        self.destination.kind()
    }
}

/// Where an export carries messages, with what only that kind of destination has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// An HTTP endpoint.
    Http {
        /// The endpoint; not empty, not checked otherwise.
        uri: String,
        /// The form of the request.
        format: ExportFormat,
    },
    /// An IoT Analytics channel.
    IotAnalytics {
        /// The channel; not empty.
        channel: String,
        /// What message ids begin with; up to 32 characters.
        message_id_prefix: Option<String>,
    },
    /// A Kinesis data stream.
    Kinesis {
        /// The data stream; not empty.
        stream_name: String,
    },
    /// IoT SiteWise; each message names its own asset property.
    IotSitewise,
    /// Files that the messages name, to S3.
    S3TaskExecutor {
        /// The size above which a file is uploaded in parts.
        multipart_threshold: MultipartThreshold,
        /// What is reported of the tasks, and to which stream.
        status: Option<StatusConfig>,
    },
}

impl Destination {
    /// The size above which a file is uploaded in parts if the definition names none: 5 MiB.
    pub const DEFAULT_MULTIPART_THRESHOLD: MultipartThreshold = MultipartThreshold::MIN;

    /// The longest prefix of message ids, in characters.
    pub const MAX_MESSAGE_ID_PREFIX: usize = 32;

    /// The kind of the destination.
    #[must_use]
    pub const fn kind(&self) -> ExportKind {
        match self {
            Self::Http { .. } => ExportKind::Http,
            Self::IotAnalytics { .. } => ExportKind::IotAnalytics,
            Self::Kinesis { .. } => ExportKind::Kinesis,
            Self::IotSitewise => ExportKind::IotSitewise,
            Self::S3TaskExecutor { .. } => ExportKind::S3TaskExecutor,
        }
    }
}

/// The kinds of destination, each with a list of its own on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportKind {
    /// `http`
    Http,
    /// `iotAnalytics`
    IotAnalytics,
    /// `kinesis`
    Kinesis,
    /// `IotSitewise`
    IotSitewise,
    /// `s3TaskExecutor`
    S3TaskExecutor,
}

impl ExportKind {
    /// Every kind, in the order of the specification.
    pub const ALL: [Self; 5] = [
        Self::Http,
        Self::IotAnalytics,
        Self::Kinesis,
        Self::IotSitewise,
        Self::S3TaskExecutor,
    ];

    /// The key of the list on the wire. Mind the capital in `IotSitewise`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::IotAnalytics => "iotAnalytics",
            Self::Kinesis => "kinesis",
            Self::IotSitewise => "IotSitewise",
            Self::S3TaskExecutor => "s3TaskExecutor",
        }
    }

    /// The kind whose list has this key.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }

    /// The greatest batch, which is the default too (section 4).
    #[must_use]
    pub const fn max_batch_size(self) -> BatchSize {
        BatchSize::clamped(match self {
            Self::Http | Self::Kinesis => 500,
            Self::IotAnalytics => 100,
            Self::IotSitewise => 10,
            Self::S3TaskExecutor => 1,
        })
    }
}

codes! {
    /// The form in which messages are posted to an HTTP endpoint (section 4.3).
    pub enum ExportFormat {
        /// One request for each message, whose body is the payload.
        RawNotBatched = 0,
        /// One request for each batch, whose body is a JSON list of messages.
        JsonBatched = 1,
    }
}

codes! {
    /// How much is reported of S3 tasks, from the least to the most.
    pub enum StatusLevel {
        /// Failures.
        Error = 0,
        /// And warnings.
        Warn = 1,
        /// And starts and successes.
        Info = 2,
        /// And details.
        Debug = 3,
        /// And everything else.
        Trace = 4,
    }
}

/// What is reported of S3 tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusConfig {
    /// The most that is reported.
    pub level: StatusLevel,
    /// The stream that takes the reports; it has to exist.
    pub stream_name: Option<Name>,
}

impl Default for StatusConfig {
    fn default() -> Self {
        Self {
            level: StatusLevel::Info,
            stream_name: None,
        }
    }
}

/// The exports of a stream: identifiers are unique among them, batch sizes fit their destinations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportDefinition(Vec<Export>);

impl ExportDefinition {
    /// The most exports of a stream. The specification names no bound; this one keeps a single
    /// request from filling the memory of a small device.
    pub const MAX_EXPORTS: usize = 256;

    /// Exports that belong to one stream, sorted by kind, as the wire has them.
    ///
    /// # Errors
    /// [`ProtocolError::Field`] if there are more than [`Self::MAX_EXPORTS`], two have one
    /// identifier, or a batch size is beyond what its destination takes.
    pub fn new(mut exports: Vec<Export>) -> Result<Self, ProtocolError> {
        Self::check_count(exports.len())?;
        let mut seen = HashSet::with_capacity(exports.len());
        for export in &exports {
            let name = export.identifier.as_str();
            if !seen.insert(name) {
                return Err(ProtocolError::value(format!(
                    "has the identifier {:?} more than once, and each export of a stream needs one \
                     of its own",
                    clipped(name)
                )));
            }
            let max = export.kind().max_batch_size();
            if export.batch_size > max {
                return Err(ProtocolError::outside(1, max.get(), export.batch_size)
                    .within("batchSize")
                    .within(name));
            }
        }
        exports.sort_by_key(|export| export.kind() as u8);
        Ok(Self(exports))
    }

    /// Checks the number of exports, while they are gathered too.
    pub(super) fn check_count(count: usize) -> Result<(), ProtocolError> {
        if count <= Self::MAX_EXPORTS {
            return Ok(());
        }
        Err(ProtocolError::value(format!(
            "has more than {} exports; spread them over several streams",
            Self::MAX_EXPORTS
        )))
    }

    /// The exports, by kind, and in each kind as the client listed them.
    pub fn iter(&self) -> std::slice::Iter<'_, Export> {
        self.0.iter()
    }

    /// The exports of one kind, in the order in which the client listed them.
    pub fn of_kind(&self, kind: ExportKind) -> impl Iterator<Item = &Export> {
        self.0.iter().filter(move |export| export.kind() == kind)
    }

    /// The export with this identifier.
    #[must_use]
    pub fn get(&self, identifier: &str) -> Option<&Export> {
        self.0.iter().find(|export| export.identifier == identifier)
    }

    /// The number of exports.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the stream has no exports.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a ExportDefinition {
    type Item = &'a Export;
    type IntoIter = std::slice::Iter<'a, Export>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
