//! What exporters to services of AWS have in common.
//!
//! An exporter needs one or two operations of its service. The SDK of a service takes minutes to
//! compile and megabytes of component; what it does for one operation is little, and stands here:
//!
//! * [`endpoint`] knows the address of a service in a Region, and [`Place`] is what the configuration
//!   says of it;
//! * [`Service`] makes a call: JSON in and JSON out, unsigned, with the header that asks the host to
//!   sign. No credential enters a component;
//! * [`Refusal`] reads the error of an answer and tells what the host is to do about it;
//! * [`Delivery`] packs the messages of a batch into calls, settles each by the answers, and finds out
//!   which message is at fault when a service refuses a call as a whole.
//!
//! An exporter that makes its calls with the SDK after all takes the rest from here.
//!
//! S3 speaks XML and names objects in paths. For it there are [`Place::bucket`], [`sign`] and
//! [`Refusal::read`], which knows both forms of errors.

mod call;
mod delivery;
pub mod endpoint;
mod place;
mod refusal;

pub use call::{Service, sign};
pub use delivery::{CallLimits, Delivery, Operation, Outcome, Placed};
pub use place::{Place, Region};
pub use refusal::{CallError, Fault, Refusal, Target};
