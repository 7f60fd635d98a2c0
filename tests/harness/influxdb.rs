//! InfluxDB 1.x, the real server of the distribution, on a free port and in a folder of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use crate::eventually;

/// The only database of a server.
const DATABASE: &str = "readings";
/// The user of a server that asks for one.
const USER: &str = "press";

/// A running server with one database.
pub struct Influxdb {
    server: Child,
    address: SocketAddr,
    password: Option<String>,
    _folder: TempDir,
}

impl Influxdb {
    /// Starts one that asks nobody who he is.
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// Starts one that serves only the user [`Self::user`] with this password.
    pub fn asking_for(password: &str) -> Self {
        Self::launch(Some(password.to_owned()))
    }

    fn launch(password: Option<String>) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        let config = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n\
             [meta]\ndir = {:?}\n[data]\ndir = {:?}\nwal-dir = {:?}\n\
             [http]\nbind-address = \"127.0.0.1:0\"\nlog-enabled = false\nauth-enabled = {}\n\
             [monitor]\nstore-enabled = false\n[continuous_queries]\nenabled = false\n",
            path.join("meta"),
            path.join("data"),
            path.join("wal"),
            password.is_some(),
        );
        let file = path.join("influxdb.conf");
        std::fs::write(&file, config).unwrap();
        let log = path.join("log");
        let server = Command::new("influxd")
            .args(["run", "-config"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("influxd does not start: {error}; install the Debian package influxdb")
            });
        let address = eventually("InfluxDB listens", || {
            let said = std::fs::read_to_string(&log).unwrap();
            let line = said
                .lines()
                .find(|line| line.contains("Listening on HTTP"))?;
            let (_, address) = line.split_once("addr=")?;
            address.split(' ').next()?.parse().ok()
        });
        let influxdb = Self {
            server,
            address,
            password,
            _folder: folder,
        };
        if let Some(password) = &influxdb.password {
            influxdb.query(&format!(
                "CREATE USER {USER} WITH PASSWORD '{password}' WITH ALL PRIVILEGES"
            ));
        }
        influxdb.query(&format!("CREATE DATABASE {DATABASE}"));
        influxdb
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its database.
    pub fn database(&self) -> &'static str {
        DATABASE
    }

    /// The user that it asks for.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The columns and rows that a statement finds; neither, if there is nothing.
    pub fn query(&self, statement: &str) -> (Vec<String>, Vec<Vec<Value>>) {
        let answer = self.ask(statement);
        let result = &answer["results"][0];
        assert!(result["error"].is_null(), "{statement}: {answer}");
        let series = &result["series"][0];
        let columns = series["columns"].as_array().cloned().unwrap_or_default();
        let rows = series["values"].as_array().cloned().unwrap_or_default();
        (
            columns
                .iter()
                .map(|column| column.as_str().unwrap().to_owned())
                .collect(),
            rows.iter()
                .map(|row| row.as_array().unwrap().clone())
                .collect(),
        )
    }

    /// Posts a statement with HTTP/1.0, so that the answer comes in one piece and ends the connection.
    fn ask(&self, statement: &str) -> Value {
        let encoded: String = statement
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        let authorization = self.password.as_ref().map(|password| {
            let pair = STANDARD.encode(format!("{USER}:{password}"));
            format!("authorization: Basic {pair}\r\n")
        });
        let request = format!(
            "POST /query?db={DATABASE}&epoch=ns&q={encoded} HTTP/1.0\r\n{}content-length: 0\r\n\r\n",
            authorization.unwrap_or_default()
        );
        let mut connection = TcpStream::connect(self.address).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Influxdb {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
