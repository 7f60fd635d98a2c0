//! The AWS SDK inside a component: requests leave through `wasi:http`, time passes through
//! `wasi:clocks`, and the host signs.

use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::timeout::TimeoutConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use aws_smithy_wasm::wasi::{WasiHttpClientBuilder, WasiSleep};
use millstream_plugin::ExportError;

use crate::config::{Address, Settings};
use crate::delivery::{Answer, PutRecords, Record};
use crate::refusal::CallError;

/// Asks the host to sign the request; its value is `SERVICE/REGION`.
const SIGN_HEADER: &str = "x-millstream-aws-sign";

/// One Kinesis stream, ready to be called.
#[derive(Debug)]
pub(crate) struct Client {
    client: aws_sdk_kinesis::Client,
    stream_name: String,
    sign: String,
    target: String,
}

impl Client {
    pub(crate) fn new(settings: &Settings) -> Self {
        let region = settings.region.as_str();
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
        config = match &settings.address {
            Address::Endpoint(endpoint) => config.endpoint_url(endpoint.as_str()),
            Address::Regional { fips, dual_stack } => {
                config.use_fips(*fips).use_dual_stack(*dual_stack)
            }
        };
        Self {
            client: aws_sdk_kinesis::Client::from_conf(config.build()),
            stream_name: stream_name.to_owned(),
            sign: format!("kinesis/{region}"),
            target: format!("Kinesis stream `{stream_name}` in `{region}`"),
        }
    }
}

impl PutRecords for Client {
    fn put_records(&mut self, records: &[Record]) -> Result<Vec<Answer>, CallError> {
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
            .map_err(|error| CallError::new(&error, &self.target))?;
        Ok(output
            .records()
            .iter()
            .map(|result| Answer::new(result.error_code(), result.error_message()))
            .collect())
    }
}

fn entry(record: &Record) -> Result<PutRecordsRequestEntry, CallError> {
    PutRecordsRequestEntry::builder()
        .data(Blob::new(record.data.as_slice()))
        .partition_key(&record.key)
        .build()
        .map_err(|error| {
            CallError::Failed(ExportError::unavailable(format!(
                "A record for Kinesis cannot be made: {error}."
            )))
        })
}
