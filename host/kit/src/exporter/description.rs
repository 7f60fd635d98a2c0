//! What an exporter says of itself.

use millstream_runtime::{Description, HostGrant};

use crate::journal::{Finding, fails};
use crate::stage::Stage;
use crate::words::size;

/// It describes itself within the contract, and the same each time.
pub(super) async fn describe(stage: &Stage) -> Finding<Description> {
    let limits = stage.options.limits;
    let first = match stage.component.describe(limits).await {
        Ok(description) => description,
        Err(error) => return fails(error.to_string()),
    };
    match stage.component.describe(limits).await {
        Ok(second) if second == first => {}
        Ok(_) => return fails("`describe` says something else when it is called again."),
        Err(error) => return fails(format!("Called again, {error}")),
    }
    let mut problems = Vec::new();
    if first.summary.trim().is_empty() {
        problems.push("`summary` is empty; say in one sentence what it exports to".to_owned());
    }
    for host in &first.wants.hosts {
        if let Err(problem) = host.parse::<HostGrant>() {
            problems.push(format!("`wants.hosts`: {problem}"));
        }
    }
    for folder in &first.wants.folders {
        if !folder.starts_with('/') || folder.split('/').any(|part| part == "..") {
            problems.push(format!(
                "`wants.folders`: `{folder}` is no path such as /out"
            ));
        }
    }
    if !problems.is_empty() {
        return fails(format!("{}.", problems.join("; ")));
    }
    let batch = first.limits;
    let sentence = format!(
        "{} {}: at most {} messages and {} a batch, {} a message.",
        first.name,
        first.version,
        batch.max_messages,
        size(batch.max_batch_bytes),
        size(batch.max_message_bytes)
    );
    Ok((sentence, first))
}
