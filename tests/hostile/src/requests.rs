//! Requests to servers that were not granted.

use serde::Deserialize;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, IncomingResponse, OutgoingRequest, Scheme};

use crate::attempts::report;

#[derive(Deserialize)]
pub(crate) struct Requests {
    /// `http://AUTHORITY/PATH`, where the authority may be anything.
    urls: Vec<String>,
}

impl Requests {
    pub(crate) fn attempt(&self) {
        for url in &self.urls {
            report(&format!("request {url}"), &send(url, &[]));
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Redirect {
    url: String,
}

impl Redirect {
    /// Follows wherever a server leads.
    pub(crate) fn attempt(&self) {
        let answer = send(&self.url, &[]);
        report(&format!("request {}", self.url), &answer);
        let Ok(answer) = answer else { return };
        for location in answer.headers().get("location") {
            let location = String::from_utf8_lossy(&location).into_owned();
            report(&format!("follow {location}"), &send(&location, &[]));
        }
    }
}

/// Sends a request, as far as it can be said, and takes an answer by the host itself as a refusal.
pub(crate) fn send(url: &str, headers: &[(&str, &str)]) -> Result<IncomingResponse, String> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect();
    let headers = Fields::from_list(&headers).map_err(|error| error.to_string())?;
    let request = OutgoingRequest::new(headers);
    request
        .set_scheme(Some(&Scheme::Http))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(&format!("/{path}"))))
        .map_err(|()| "it cannot even be said".to_owned())?;
    let answer = outgoing_handler::handle(request, None).map_err(|code| code.to_string())?;
    answer.subscribe().block();
    let answer = answer.get().and_then(Result::ok);
    let answer = answer.ok_or("lost")?.map_err(|code| code.to_string())?;
    match answer.headers().get("x-millstream-refused").is_empty() {
        true => Ok(answer),
        false => Err("the host answers".to_owned()),
    }
}
