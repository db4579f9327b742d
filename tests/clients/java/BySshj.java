import java.io.File;
import net.schmizz.sshj.SSHClient;
import net.schmizz.sshj.common.IOUtils;
import net.schmizz.sshj.transport.verification.OpenSSHKnownHosts;

/** Logs in by sshj, which finds the certificate beside the key by itself. */
public class BySshj {
    public static void main(String[] words) throws Exception {
        try (SSHClient client = new SSHClient()) {
            client.addHostKeyVerifier(new OpenSSHKnownHosts(new File(System.getenv("CLIENT_KNOWN_HOSTS"))));
            client.connect(System.getenv("CLIENT_HOST"), Integer.parseInt(System.getenv("CLIENT_PORT")));
            client.authPublickey(System.getenv("CLIENT_ACCOUNT"), client.loadKeys(System.getenv("CLIENT_KEY")));
            try (var session = client.startSession()) {
                System.out.print(IOUtils.readFully(session.exec("whoami").getInputStream()));
            }
        }
    }
}
