//! `millstream check`

use std::path::Path;

use millstream_runtime::{Secret, SecretName};
use tokio::net::TcpListener;

use super::{Failed, components, create_folder, output};
use crate::access::Access;
use crate::config::{Authentication, Config};
use crate::plugins::Plugins;

mod plugins;

/// Looks at everything the configuration names. It changes nothing but what a start would make anyway:
/// the data folder and the cache of native code.
pub(super) async fn check(config: Config) -> Result<(), Failed> {
    let mut findings = Findings::default();
    for variable in &config.variables {
        findings.good(format!("{variable} is set, and goes before the file"));
    }
    check_data(&config, &mut findings);
    check_port(&config, &mut findings).await;
    check_clients(&config, &mut findings);
    check_aws(&config, &mut findings).await;
    match components(&config) {
        Ok(runtime) => {
            let plugins = Plugins::new(runtime, &config);
            plugins::check(&config, &plugins, &mut findings).await;
        }
        Err(reason) => findings.wrong(reason),
    }
    check_files(&config, &mut findings);
    check_dead_letters(&config, &mut findings);
    for finding in secrets(&config) {
        match finding {
            Ok(good) => findings.good(good),
            Err(wrong) => findings.wrong(wrong),
        }
    }
    match findings.wrong {
        0 => Ok(()),
        1 => Err(Failed::Other("one thing is wrong".into())),
        count => Err(Failed::Other(format!("{count} things are wrong"))),
    }
}

#[derive(Default)]
struct Findings {
    wrong: usize,
}

impl Findings {
    fn good(&mut self, what: impl AsRef<str>) {
        output::line(format!("ok     {}", what.as_ref()));
    }

    fn wrong(&mut self, what: impl AsRef<str>) {
        self.wrong += 1;
        output::line(format!("WRONG  {}", what.as_ref()));
    }
}

fn check_data(config: &Config, findings: &mut Findings) {
    let data = config.path(&config.storage.folder);
    if let Err(reason) = create_folder(&data).and_then(|()| writable(&data)) {
        findings.wrong(reason);
    } else {
        findings.good(format!("the data folder {} can be written", data.display()));
    }
}

fn writable(folder: &Path) -> Result<(), String> {
    let probe = folder.join(format!(".millstream-check-{}", std::process::id()));
    let outcome = std::fs::write(&probe, b"check").and_then(|()| std::fs::remove_file(&probe));
    outcome.map_err(|error| format!("the folder {} cannot be written: {error}", folder.display()))
}

async fn check_port(config: &Config, findings: &mut Findings) {
    let address = config.server.listen;
    match TcpListener::bind(address).await {
        Ok(_) => findings.good(format!("{address} is free")),
        Err(error) => findings.wrong(format!(
            "cannot listen on {address}: {error}; a host may be running already, or change \
             server.listen"
        )),
    }
}

fn check_clients(config: &Config, findings: &mut Findings) {
    match (config.server.authentication, Access::load(config)) {
        (Authentication::Off, _) => {}
        (Authentication::Tokens, Ok(_)) => findings.good(format!(
            "the file of clients {} is right",
            config.path(&config.server.clients).display()
        )),
        (Authentication::Tokens, Err(problem)) => findings.wrong(problem.to_string()),
    }
}

/// Looks at the files that the device shows to AWS. It asks nobody for credentials.
async fn check_aws(config: &Config, findings: &mut Findings) {
    let Some(iot) = &config.aws.iot_credentials else {
        return;
    };
    let iot = iot.resolve(&config.base);
    let certificate = iot.certificate.display().to_string();
    let checked = tokio::task::spawn_blocking(move || iot.check()).await;
    match checked {
        Ok(Ok(())) => findings.good(format!("{certificate} can be shown to AWS IoT")),
        Ok(Err(problem)) => findings.wrong(problem.to_string()),
        Err(error) => findings.wrong(error.to_string()),
    }
}

/// A stream for dead letters is declared, or has been made by a client.
fn check_dead_letters(config: &Config, findings: &mut Findings) {
    let streams = config.path(&config.storage.folder).join("streams");
    let existing = millstream_streams::names_in(&streams).unwrap_or_default();
    for (place, named) in config.dead_letter_streams() {
        let is_declared = config.stream.iter().any(|stream| stream.name == named);
        if is_declared || existing.iter().any(|name| name.as_str() == named) {
            findings.good(format!("{place}: dead letters go to {named}"));
        } else {
            findings.wrong(format!(
                "{place}: the dead-letter stream {named} does not exist, and the export would wait with \
                 the first message that is rejected; declare it under [[stream]]"
            ));
        }
    }
}

/// Whether each secret can be read, and whether only by whom it should; never what it is.
pub(super) fn secrets(config: &Config) -> Vec<Result<String, String>> {
    let secrets = config.secrets();
    let finding = |(name, secret): (&SecretName, &Secret)| {
        let source = &secret.source;
        match secret.check() {
            Err(error) => Err(format!("the secret {name}: {error}")),
            Ok(()) if secret.is_open_to_all() => Err(format!(
                "the secret {name}: every user of this device can read {source}; take that right away \
                 (chmod o-r)"
            )),
            Ok(()) => Ok(format!("the secret {name} can be read from {source}")),
        }
    };
    secrets.iter().map(finding).collect()
}

fn check_files(config: &Config, findings: &mut Findings) {
    let plugins = config
        .plugin
        .iter()
        .map(|(name, plugin)| (name, &plugin.grants));
    let producers = config
        .producer
        .iter()
        .map(|producer| (&producer.name, &producer.grants));
    for (name, grants) in plugins.chain(producers) {
        for identity in &grants.tls_identities {
            let outcome = identity
                .resolve(&config.base)
                .and_then(|identity| identity.check().map_err(|problem| problem.to_string()));
            match outcome {
                Ok(()) => findings.good(format!(
                    "{name} finds the certificate {}",
                    config.path(&identity.certificate).display()
                )),
                Err(reason) => findings.wrong(format!("{name}: {reason}")),
            }
        }
        for folder in &grants.folders {
            let path = config.path(&folder.path);
            let outcome = if !path.is_dir() {
                Err(format!(
                    "the folder {} is not there; make it",
                    path.display()
                ))
            } else if folder.write {
                writable(&path)
            } else {
                Ok(())
            };
            match outcome {
                Ok(()) => findings.good(format!("{name} finds {}", path.display())),
                Err(reason) => findings.wrong(format!("{name}: {reason}")),
            }
        }
    }
}
