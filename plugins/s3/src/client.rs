//! The AWS SDK inside a component: requests leave through `wasi:http`, and the host signs.
//!
//! Each body carries its MD5, which S3 compares with what arrived; every store that speaks S3 knows this
//! header, while the checksums that the SDK would add by itself are new to many. A body is in memory as
//! a whole, so that the host can sign it.

mod transport;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use millstream_aws::endpoint::Variant;

use crate::config::Settings;
use crate::service::{Fault, Object, ObjectStore, Part};
use transport::Transport;

/// Asks the host to sign the request; its value is `SERVICE/REGION`.
const SIGN_HEADER: &str = "x-millstream-aws-sign";

/// S3, ready to be called.
#[derive(Debug)]
pub(crate) struct Client {
    client: aws_sdk_s3::Client,
    transport: Transport,
    sign: String,
}

impl Client {
    /// # Errors
    ///
    /// A sentence, if there is no way to the network.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let transport = Transport::new()?;
        let region = settings.place.region().as_str();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .allow_no_auth()
            .force_path_style(settings.force_path_style)
            // It would fetch credentials of its own for a session.
            .disable_s3_express_session_auth(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::disabled())
            // It would need a background task, which a component without threads does not have.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            // The host has time limits of its own, which leave out what a request waits for bandwidth.
            .timeout_config(TimeoutConfig::disabled());
        let config = transport.configure(config);
        let config = match settings.place.endpoint() {
            Some(endpoint) => config.endpoint_url(endpoint.url()),
            None => {
                let Variant { fips, dual_stack } = settings.place.variant();
                config.use_fips(fips).use_dual_stack(dual_stack)
            }
        };
        Ok(Self {
            client: aws_sdk_s3::Client::from_conf(config.build()),
            transport,
            sign: format!("s3/{region}"),
        })
    }
}

/// Sends a request of the SDK, marked for the host to sign.
macro_rules! send {
    ($client:expr, $object:expr, $request:expr) => {{
        let sign = $client.sign.clone();
        let request = $request
            .bucket($object.bucket)
            .key($object.key)
            .customize()
            .mutate_request(move |request| {
                request.headers_mut().insert(SIGN_HEADER, sign.clone());
            });
        $client.transport.block_on(request.send())
    }};
}

impl ObjectStore for Client {
    fn put(&mut self, object: Object<'_>, body: Vec<u8>) -> Result<(), Fault> {
        let request = self
            .client
            .put_object()
            .set_metadata(metadata(object))
            .content_md5(md5(&body))
            .body(ByteStream::from(body));
        let output = send!(self, object, request)
            .map_err(|error| Fault::new(&error, &object.to_string()))?;
        match output.e_tag {
            Some(_) => Ok(()),
            None => Err(Fault::no_answer(object, "has no tag of the object")),
        }
    }

    fn create_upload(&mut self, object: Object<'_>) -> Result<String, Fault> {
        let request = self
            .client
            .create_multipart_upload()
            .set_metadata(metadata(object));
        let output = send!(self, object, request)
            .map_err(|error| Fault::new(&error, &object.to_string()))?;
        match output.upload_id {
            Some(id) if !id.is_empty() => Ok(id),
            _ => Err(Fault::no_answer(object, "has no id of the upload")),
        }
    }

    fn upload_part(
        &mut self,
        object: Object<'_>,
        upload: &str,
        number: u32,
        body: Vec<u8>,
    ) -> Result<(), Fault> {
        let request = self
            .client
            .upload_part()
            .upload_id(upload)
            .part_number(number.cast_signed())
            .content_md5(md5(&body))
            .body(ByteStream::from(body));
        let output = send!(self, object, request)
            .map_err(|error| Fault::new(&error, &object.to_string()))?;
        match output.e_tag {
            Some(_) => Ok(()),
            None => Err(Fault::no_answer(object, "has no tag of the part")),
        }
    }

    fn list_parts(&mut self, object: Object<'_>, upload: &str) -> Result<Vec<Part>, Fault> {
        /// More pages than ten thousand parts can fill, at a thousand a page.
        const MAX_PAGES: usize = 100;
        let mut parts = Vec::new();
        let mut marker = None;
        for _ in 0..MAX_PAGES {
            let request = self
                .client
                .list_parts()
                .upload_id(upload)
                .set_part_number_marker(marker);
            let page = send!(self, object, request)
                .map_err(|error| Fault::new(&error, &object.to_string()))?;
            parts.extend(page.parts().iter().filter_map(|part| {
                Some(Part {
                    number: part.part_number()?.try_into().ok()?,
                    bytes: part.size()?.try_into().ok()?,
                    tag: part.e_tag()?.to_owned(),
                })
            }));
            if page.is_truncated != Some(true) {
                return Ok(parts);
            }
            marker = page.next_part_number_marker;
        }
        Err(Fault::no_answer(object, "lists its parts without end"))
    }

    fn complete_upload(
        &mut self,
        object: Object<'_>,
        upload: &str,
        parts: &[Part],
    ) -> Result<(), Fault> {
        let parts = parts
            .iter()
            .map(|part| {
                CompletedPart::builder()
                    .part_number(part.number.cast_signed())
                    .e_tag(&part.tag)
                    .build()
            })
            .collect();
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let request = self
            .client
            .complete_multipart_upload()
            .upload_id(upload)
            .multipart_upload(parts);
        let output = send!(self, object, request)
            .map_err(|error| Fault::new(&error, &object.to_string()))?;
        match output.e_tag {
            Some(_) => Ok(()),
            None => Err(Fault::no_answer(object, "has no tag of the object")),
        }
    }

    fn abort_upload(&mut self, object: Object<'_>, upload: &str) -> Result<(), Fault> {
        let request = self.client.abort_multipart_upload().upload_id(upload);
        send!(self, object, request)
            .map(|_| ())
            .map_err(|error| Fault::new(&error, &object.to_string()))
    }

    fn tag(&mut self, object: Object<'_>) -> Result<Option<String>, Fault> {
        match send!(self, object, self.client.head_object()) {
            Ok(output) => Ok(output.e_tag),
            Err(error)
                if error
                    .raw_response()
                    .is_some_and(|it| it.status().as_u16() == 404) =>
            {
                Ok(None)
            }
            Err(error) => Err(Fault::new(&error, &object.to_string())),
        }
    }
}

impl Fault {
    /// An answer that says that all is well, and lacks what S3 would have said.
    fn no_answer(object: Object<'_>, what: &str) -> Self {
        Self::Later(millstream_plugin::ExportError::unavailable(format!(
            "The answer about {object} is not one of S3: it {what}."
        )))
    }
}

fn metadata(object: Object<'_>) -> Option<std::collections::HashMap<String, String>> {
    let metadata = object.metadata.iter();
    Some(
        metadata
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// The value of the header `Content-MD5` (RFC 1864).
fn md5(body: &[u8]) -> String {
    STANDARD.encode(Md5::digest(body))
}
