//! moto: Kinesis and the rest of AWS on a free port.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use crate::{eventually, python, repository, run_script};

/// A running emulator.
pub struct Emulator {
    server: Child,
    endpoint: String,
}

impl Emulator {
    /// Starts one.
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let server = python()
            .arg(repository().join("tests/python/moto_server.py"))
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let emulator = Self {
            server,
            endpoint: format!("http://127.0.0.1:{port}"),
        };
        eventually("the emulator listens", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        emulator
    }

    /// Its address, as plugins take it.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes a Kinesis stream.
    pub fn create_stream(&self, stream: &str) {
        run_script(
            "../../xtask/python/emulator.py",
            &[&self.endpoint, "create", stream],
        );
    }

    /// The data of all records of a Kinesis stream, in order.
    pub fn records(&self, stream: &str) -> Vec<String> {
        let tool = "../../xtask/python/emulator.py";
        let records = run_script(tool, &[&self.endpoint, "records", stream]);
        serde_json::from_str(&records).unwrap()
    }

    /// Makes a bucket of S3.
    pub fn create_bucket(&self, bucket: &str) {
        let tool = "../../xtask/python/emulator.py";
        run_script(tool, &[&self.endpoint, "create-bucket", bucket]);
    }

    /// What an object of S3 is: the MD5 of its content, its tag and its metadata.
    pub fn object(&self, bucket: &str, key: &str) -> serde_json::Value {
        let tool = "../../xtask/python/emulator.py";
        let name = format!("{bucket}/{key}");
        let object = run_script(tool, &[&self.endpoint, "object", &name]);
        serde_json::from_str(&object).unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
