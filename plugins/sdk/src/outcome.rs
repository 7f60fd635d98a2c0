//! From what became of each message of a batch to what the host is told, for exporters that settle each
//! message by an answer of its own.

use crate::{ExportError, Undelivered};

/// What became of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The destination has it.
    Delivered,
    /// It can never be delivered; why.
    Rejected(String),
    /// It may be delivered later.
    Failed(ExportError),
}

impl Outcome {
    /// The answer to a batch, by the outcomes of all its messages in their order.
    ///
    /// # Errors
    ///
    /// No message was delivered or rejected: why the first one failed.
    pub fn settle(outcomes: Vec<Self>) -> Result<Vec<Undelivered>, ExportError> {
        let is_settled = |outcome: &Self| !matches!(outcome, Self::Failed(_));
        if let (false, Some(Self::Failed(error))) =
            (outcomes.iter().any(is_settled), outcomes.first())
        {
            return Err(error.clone());
        }
        let outcomes = outcomes.into_iter().enumerate();
        Ok(outcomes
            .filter_map(|(place, outcome)| match outcome {
                Self::Delivered => None,
                Self::Rejected(reason) => Some(Undelivered::reject(place, reason)),
                Self::Failed(error) => Some(Undelivered::retry(place, error.reason())),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(why: &str) -> Outcome {
        Outcome::Failed(ExportError::denied(why))
    }

    #[test]
    fn what_was_not_delivered_is_named_by_its_place() {
        let rejected = Outcome::Rejected("bad".to_owned());
        let answer = Outcome::settle(vec![failed("later"), Outcome::Delivered, rejected.clone()]);
        let undelivered = [
            Undelivered::retry(0, "later"),
            Undelivered::reject(2, "bad"),
        ];
        assert_eq!(answer.unwrap(), undelivered);
        let answer = Outcome::settle(vec![rejected, failed("later")]);
        assert_eq!(answer.unwrap().len(), 2, "something was settled");
        assert_eq!(Outcome::settle(Vec::new()).unwrap(), []);
    }

    #[test]
    fn a_batch_of_which_nothing_was_settled_fails_as_its_first_message() {
        let answer = Outcome::settle(vec![failed("first"), failed("second")]);
        assert_eq!(answer, Err(ExportError::denied("first")));
    }
}
