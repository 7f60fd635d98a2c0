//! `millstream check`

use std::collections::BTreeSet;
use std::path::Path;

use millstream_runtime::{ComponentKind, Secret, SecretName};
use tokio::net::TcpListener;

use super::plugin::purpose;
use super::{Failed, components, create_folder, output};
use crate::access::Access;
use crate::config::{Authentication, Config};
use crate::plugins::Plugins;

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
            check_plugins(&config, &plugins, &mut findings).await;
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

async fn check_plugins(config: &Config, plugins: &Plugins, findings: &mut Findings) {
    for path in plugins.files() {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match plugins.inspect(&path).await {
            Ok(loaded) => {
                let purpose = purpose(loaded.component.kind());
                let description = loaded.description.as_ref();
                let summary = description.map_or(purpose, |description| &description.summary);
                findings.good(format!("plugin {name}: {summary}"));
            }
            Err(error) => findings.wrong(error.to_string()),
        }
    }
    let wanted: BTreeSet<_> = config
        .stream
        .iter()
        .flat_map(|stream| &stream.export)
        .map(|export| export.plugin.as_str())
        .collect();
    for name in wanted {
        match plugins.load(name).await.map(|loaded| loaded.description) {
            Ok(Some(description)) => {
                for sentence in plugins.missing_grants(name, &description) {
                    findings.wrong(sentence);
                }
            }
            Ok(None) => findings.wrong(format!(
                "an export names the plugin {name}, which is not an exporter"
            )),
            Err(reason) => findings.wrong(reason),
        }
    }
    for (place, step) in config.transform_steps() {
        match plugins.load(&step.plugin).await {
            Ok(loaded) if loaded.component.kind() == ComponentKind::Transform => {}
            Ok(_) => findings.wrong(format!("{place}: {} is not a transform", step.plugin)),
            Err(reason) => findings.wrong(format!("{place}: {reason}")),
        }
    }
    for producer in &config.producer {
        let wrong = match plugins.load(&producer.component).await {
            Ok(loaded) => match (loaded.component.kind(), &producer.path) {
                (ComponentKind::Producer, None) | (ComponentKind::Webhook, Some(_)) => continue,
                (ComponentKind::Exporter, _) => "it is an exporter, not a producer".to_owned(),
                (ComponentKind::Transform, _) => "it is a transform, not a producer".to_owned(),
                (ComponentKind::Webhook, None) => {
                    "it is a webhook; say where with path = \"/hooks/…\"".to_owned()
                }
                (ComponentKind::Producer, Some(_)) => {
                    "it is a command and not a webhook; take path away".to_owned()
                }
            },
            Err(reason) => reason,
        };
        let (name, component) = (&producer.name, &producer.component);
        findings.wrong(format!("[[producer]] \"{name}\", {component}: {wrong}"));
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
