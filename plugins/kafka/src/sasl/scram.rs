//! SCRAM (RFC 5802), without channel binding: the password is proven and never sent, and the broker
//! proves that it knows it too.
//!
//! As Kafka's own clients do, names and passwords are taken as they are, without SASLprep.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::{FixedOutput, KeyInit, OutputSizeUser, Update};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

use super::Step;

/// Rounds below this protect no password (RFC 7677, section 4; Kafka refuses them as well).
const LEAST_ROUNDS: u32 = 4096;
/// Rounds beyond this keep a small board busy for seconds; Kafka's own default is 4096.
const MOST_ROUNDS: u32 = 1_000_000;
/// `n,,` in base64: no channel binding, and no other name to act for.
const NO_CHANNEL_BINDING: &str = "biws";

/// A keyed hash with its plain one.
pub(crate) trait Keyed: Mac + KeyInit + Clone + Sync + FixedOutput + Update {
    fn hash(bytes: &[u8]) -> Vec<u8>;
}

impl Keyed for Hmac<Sha256> {
    fn hash(bytes: &[u8]) -> Vec<u8> {
        Sha256::digest(bytes).to_vec()
    }
}

impl Keyed for Hmac<Sha512> {
    fn hash(bytes: &[u8]) -> Vec<u8> {
        Sha512::digest(bytes).to_vec()
    }
}

/// One login by SCRAM.
pub(crate) struct Scram<H> {
    password: String,
    nonce: String,
    /// The first message without its header.
    bare: String,
    state: State<H>,
}

impl<H> std::fmt::Debug for Scram<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scram").finish_non_exhaustive()
    }
}

enum State<H> {
    /// Waits for salt and rounds.
    Began,
    /// Waits for the broker's own proof, which has to be this one.
    Proven(H),
    Ended,
}

impl<H: Keyed> Scram<H> {
    pub(crate) fn new(user: &str, password: &str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            password: password.to_owned(),
            bare: format!("n={user},r={nonce}"),
            nonce,
            state: State::Began,
        }
    }

    pub(crate) fn first(&self) -> Vec<u8> {
        format!("n,,{}", self.bare).into_bytes()
    }

    pub(crate) fn answered(&mut self, answer: &[u8]) -> Result<Step, String> {
        let answer = str::from_utf8(answer).map_err(|_| NO_SCRAM.to_owned())?;
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Began => {
                let (message, proof) = self.prove(answer)?;
                self.state = State::Proven(proof);
                Ok(Step::Send(message))
            }
            State::Proven(proof) => check(proof, answer).map(|()| Step::Done),
            State::Ended => Err(NO_SCRAM.to_owned()),
        }
    }

    /// The final message, and what the broker has to answer.
    fn prove(&self, challenge: &str) -> Result<(Vec<u8>, H), String> {
        let challenge_fields = Challenge::read(challenge, &self.nonce)?;
        let bare = format!("c={NO_CHANNEL_BINDING},r={}", challenge_fields.nonce);
        let signed = format!("{},{challenge},{bare}", self.bare);

        let salted = self.salted(&challenge_fields);
        let client_key = mac::<H>(&salted, b"Client Key")?;
        let stored_key = H::hash(&client_key);
        let signature = mac::<H>(&stored_key, signed.as_bytes())?;
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(key, signature)| key ^ signature)
            .collect();

        let server_key = mac::<H>(&salted, b"Server Key")?;
        let mut expected = keyed::<H>(&server_key)?;
        Mac::update(&mut expected, signed.as_bytes());
        let message = format!("{bare},p={}", STANDARD.encode(proof));
        Ok((message.into_bytes(), expected))
    }

    /// `Hi` of RFC 5802, section 2.2.
    fn salted(&self, challenge: &Challenge<'_>) -> Vec<u8> {
        let mut salted = vec![0; <H as OutputSizeUser>::output_size()];
        // It fails for keys of a length that the hash does not take; HMAC takes any.
        let _ = pbkdf2::pbkdf2::<H>(
            self.password.as_bytes(),
            &challenge.salt,
            challenge.rounds,
            &mut salted,
        );
        salted
    }
}

const NO_SCRAM: &str = "does not answer as SCRAM wants it (RFC 5802)";

/// What a broker wants to be computed.
struct Challenge<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    rounds: u32,
}

impl<'a> Challenge<'a> {
    fn read(text: &'a str, own_nonce: &str) -> Result<Self, String> {
        let no_scram = || NO_SCRAM.to_owned();
        let mut fields = text.split(',');
        let mut field = |name: &str| fields.next()?.strip_prefix(name);
        let nonce: &str = field("r=").ok_or_else(no_scram)?;
        let salt = field("s=").ok_or_else(no_scram)?;
        let rounds = field("i=").ok_or_else(no_scram)?;
        let is_ours = nonce
            .strip_prefix(own_nonce)
            .is_some_and(|theirs| !theirs.is_empty());
        if !is_ours {
            return Err("answers a login that is not this one".to_owned());
        }
        let rounds = rounds.parse().map_err(|_| no_scram())?;
        if !(LEAST_ROUNDS..=MOST_ROUNDS).contains(&rounds) {
            return Err(format!(
                "asks for {rounds} rounds of hashing, where {LEAST_ROUNDS} to {MOST_ROUNDS} make sense"
            ));
        }
        Ok(Self {
            nonce,
            salt: STANDARD.decode(salt).map_err(|_| no_scram())?,
            rounds,
        })
    }
}

/// Whether the broker knows the password.
fn check<H: Keyed>(expected: H, answer: &str) -> Result<(), String> {
    let field = answer.split(',').next().unwrap_or_default();
    if let Some(error) = field.strip_prefix("e=") {
        return Err(format!("refuses the login: {error}"));
    }
    let signature = field
        .strip_prefix("v=")
        .ok_or_else(|| NO_SCRAM.to_owned())?;
    let signature = STANDARD
        .decode(signature)
        .map_err(|_| NO_SCRAM.to_owned())?;
    expected
        .verify_slice(&signature)
        .map_err(|_| "does not know the password itself: it is not the one it seems".to_owned())
}

fn keyed<H: Keyed>(key: &[u8]) -> Result<H, String> {
    <H as KeyInit>::new_from_slice(key).map_err(|error| format!("cannot be answered: {error}"))
}

fn mac<H: Keyed>(key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut mac = keyed::<H>(key)?;
    Mac::update(&mut mac, bytes);
    Ok(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn example() -> Scram<Hmac<Sha256>> {
        Scram::new("user", "pencil", NONCE.to_owned())
    }

    /// RFC 7677, section 3.
    #[test]
    fn the_example_of_the_rfc_comes_out() {
        let mut scram = example();
        assert_eq!(scram.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let Step::Send(last) = scram.answered(CHALLENGE.as_bytes()).unwrap() else {
            panic!("it is not over");
        };
        assert_eq!(
            str::from_utf8(&last).unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let proof = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(scram.answered(proof).unwrap(), Step::Done);
    }

    #[test]
    fn a_broker_that_does_not_know_the_password_is_found_out() {
        let mut scram = example();
        scram.answered(CHALLENGE.as_bytes()).unwrap();
        let error = scram
            .answered(b"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
            .unwrap_err();
        assert!(error.contains("not the one it seems"), "{error}");
    }

    #[test]
    fn a_refusal_is_told() {
        let mut scram = example();
        scram.answered(CHALLENGE.as_bytes()).unwrap();
        let error = scram.answered(b"e=invalid-proof").unwrap_err();
        assert_eq!(error, "refuses the login: invalid-proof");
    }

    #[test]
    fn challenges_that_make_no_sense_are_refused() {
        for challenge in [
            "",
            "\u{fffd}",
            "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=?,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
        ] {
            assert!(
                example().answered(challenge.as_bytes()).is_err(),
                "{challenge}"
            );
        }
    }

    #[test]
    fn names_keep_what_separates_fields_apart() {
        let scram: Scram<Hmac<Sha512>> = Scram::new("a,b=c", "p", "n".to_owned());
        assert_eq!(scram.first(), b"n,,n=a=2Cb=3Dc,r=n");
    }
}
