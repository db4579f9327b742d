import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.PublicKey;
import java.time.Duration;
import org.apache.sshd.client.SshClient;
import org.apache.sshd.client.keyverifier.AcceptAllServerKeyVerifier;
import org.apache.sshd.client.session.ClientSession;
import org.apache.sshd.common.config.keys.PublicKeyEntry;
import org.apache.sshd.common.keyprovider.FileKeyPairProvider;

/** Logs in by Apache MINA: the certificate takes the place of the public key. It compares the host's name by itself. */
public class ByMina {
    public static void main(String[] words) throws Exception {
        String line = Files.readString(Path.of(System.getenv("CLIENT_CERTIFICATE")));
        PublicKey certificate = PublicKeyEntry.parsePublicKeyEntry(line).resolvePublicKey(null, null, null);
        KeyPair pair = new FileKeyPairProvider(Path.of(System.getenv("CLIENT_KEY"))).loadKeys(null).iterator().next();
        String host = words.length > 0 ? words[0] : System.getenv("CLIENT_HOST");
        int port = Integer.parseInt(System.getenv("CLIENT_PORT"));
        SshClient client = SshClient.setUpDefaultClient();
        client.setServerKeyVerifier(AcceptAllServerKeyVerifier.INSTANCE);
        client.start();
        try (ClientSession session = client.connect(System.getenv("CLIENT_ACCOUNT"), host, port)
                .verify(Duration.ofSeconds(10)).getSession()) {
            session.addPublicKeyIdentity(new KeyPair(certificate, pair.getPrivate()));
            session.auth().verify(Duration.ofSeconds(10));
            System.out.print(session.executeRemoteCommand("whoami"));
        } finally {
            client.stop();
        }
    }
}
