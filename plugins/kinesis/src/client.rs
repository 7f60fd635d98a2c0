//! The AWS SDK inside a component: requests leave through `wasi:http`, time passes through
//! `wasi:clocks`, and the host signs.

use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use aws_smithy_wasm::wasi::{WasiHttpClientBuilder, WasiSleep};
use millstream_aws::endpoint::Variant;
use millstream_aws::{CallError, Outcome, Refusal, Target};
use millstream_plugin::ExportError;

use crate::config::Settings;
use crate::records::PutRecords;
use crate::refusal;

/// Asks the host to sign the request; its value is `SERVICE/REGION`.
const SIGN_HEADER: &str = "x-millstream-aws-sign";

/// One Kinesis stream, ready to be called.
#[derive(Debug)]
pub(crate) struct Client {
    client: aws_sdk_kinesis::Client,
    stream_name: String,
    sign: String,
    target: Target,
}

impl Client {
    pub(crate) fn new(settings: &Settings) -> Self {
        let region = settings.place.region().as_str();
        let stream_name = settings.stream_name.as_str();
        let mut config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .http_client(WasiHttpClientBuilder::new().build())
            .sleep_impl(WasiSleep)
            .allow_no_auth()
            .retry_config(RetryConfig::disabled())
            // It would need a background task, which a component without threads does not have.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // The host has time limits of its own, which leave out what a request waits for bandwidth.
            // And a request without options leaves no resource behind: wasmtime-wasi-http keeps those
            // that a guest hands over.
            .timeout_config(TimeoutConfig::disabled());
        config = match settings.place.endpoint() {
            Some(endpoint) => config.endpoint_url(endpoint.url()),
            None => {
                let Variant { fips, dual_stack } = settings.place.variant();
                config.use_fips(fips).use_dual_stack(dual_stack)
            }
        };
        Self {
            client: aws_sdk_kinesis::Client::from_conf(config.build()),
            stream_name: stream_name.to_owned(),
            sign: format!("kinesis/{region}"),
            target: Target {
                name: format!("Kinesis stream `{stream_name}` in `{region}`"),
                keys: "`kinesisStreamName`, `region` and the account",
                permission: "`kinesis:PutRecords`",
            },
        }
    }
}

impl PutRecords for Client {
    fn put_records(&mut self, records: &[(String, &[u8])]) -> Result<Vec<Outcome>, CallError> {
        let entries = records.iter().map(entry).collect::<Result<_, _>>()?;
        let sign = self.sign.clone();
        let request = self
            .client
            .put_records()
            .stream_name(&self.stream_name)
            .set_records(Some(entries))
            .customize()
            .mutate_request(move |request| {
                request.headers_mut().insert(SIGN_HEADER, sign.clone());
            });
        let output = wstd::runtime::block_on(request.send())
            .map_err(|error| refusal::of_call(&error, &self.target))?;
        let outcome = |result: &PutRecordsResultEntry| match result.error_code() {
            // Each record that the service has got one.
            None if result.sequence_number().is_some() => Outcome::Taken,
            code => {
                let code = code.unwrap_or("InternalFailure");
                let message = result.error_message();
                let message = message.unwrap_or("the answer has no sequence number");
                Refusal::of_entry(code, message).fault(&self.target).into()
            }
        };
        Ok(output.records().iter().map(outcome).collect())
    }
}

fn entry((key, data): &(String, &[u8])) -> Result<PutRecordsRequestEntry, CallError> {
    PutRecordsRequestEntry::builder()
        .data(Blob::new(*data))
        .partition_key(key)
        .build()
        .map_err(|error| {
            CallError::Failed(ExportError::unavailable(format!(
                "A record for Kinesis cannot be made: {error}."
            )))
        })
}
