//! The request and the answer in `wasi:http`.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

use crate::{Real, Reply, Request, answer};

struct Component;

wasip2::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let reply = match read(&request) {
            Some(request) => answer(std::env::args().skip(1), request, &mut Real),
            None => Reply {
                status: 400,
                header: None,
                body: "{\"error\":\"the body breaks off\"}\n".to_owned(),
            },
        };
        write(reply, out);
    }
}

/// None if the body breaks off.
fn read(request: &IncomingRequest) -> Option<Request> {
    let authorization = request.headers().get("authorization");
    let authorization = authorization.into_iter().next();
    Some(Request {
        is_post: matches!(request.method(), Method::Post),
        authorization: authorization.and_then(|value| String::from_utf8(value).ok()),
        body: read_body(request)?,
    })
}

fn read_body(request: &IncomingRequest) -> Option<Vec<u8>> {
    let body = request.consume().ok()?;
    let stream = body.stream().ok()?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Some(bytes),
            Err(StreamError::LastOperationFailed(_)) => return None,
        }
    }
}

/// What fails here fails since the client is gone: nobody can be told.
fn write(reply: Reply, out: ResponseOutparam) {
    let headers = Fields::new();
    let _ = headers.append("content-type", b"application/json");
    if let Some((name, value)) = reply.header {
        let _ = headers.append(name, value.as_bytes());
    }
    let response = OutgoingResponse::new(headers);
    let _ = response.set_status_code(reply.status);
    let body = response.body();
    ResponseOutparam::set(out, Ok(response));
    let Ok(body) = body else { return };
    if let Ok(stream) = body.write() {
        // A sentence fits into one write, which takes 4096 bytes.
        let _ = stream.blocking_write_and_flush(reply.body.as_bytes());
    }
    let _ = OutgoingBody::finish(body, None);
}
