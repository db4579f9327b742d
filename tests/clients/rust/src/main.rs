//! Logs in by russh with a key and its certificate. The host is known by the fingerprint of its plain key.

use std::env::var;
use std::sync::Arc;

use russh::keys::{HashAlg, PublicKey, load_openssh_certificate, load_secret_key};
use russh::{ChannelMsg, client};

struct Host(String);

impl client::Handler for Host {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKey) -> Result<bool, Self::Error> {
        Ok(key.fingerprint(HashAlg::Sha256).to_string() == self.0)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = (var("CLIENT_ADDRESS")?, var("CLIENT_PORT")?.parse()?);
    let host = Host(var("CLIENT_HOST_FINGERPRINT")?);
    let mut session = client::connect(Arc::new(client::Config::default()), address, host).await?;
    let key = Arc::new(load_secret_key(var("CLIENT_KEY")?, None)?);
    let certificate = load_openssh_certificate(var("CLIENT_CERTIFICATE")?)?;
    let answer = session.authenticate_openssh_cert(var("CLIENT_ACCOUNT")?, key, certificate).await?;
    if !answer.success() {
        return Err(format!("{answer:?}").into());
    }
    let mut channel = session.channel_open_session().await?;
    channel.exec(true, "whoami").await?;
    while let Some(message) = channel.wait().await {
        if let ChannelMsg::Data { data } = message {
            print!("{}", String::from_utf8_lossy(&data));
        }
    }
    Ok(())
}
