import com.jcraft.jsch.ChannelExec;
import com.jcraft.jsch.JSch;
import com.jcraft.jsch.Session;

/** Logs in by JSch, with key and certificate as the two files of an identity. */
public class ByJsch {
    public static void main(String[] words) throws Exception {
        JSch jsch = new JSch();
        jsch.addIdentity(System.getenv("CLIENT_KEY"), System.getenv("CLIENT_CERTIFICATE"), null);
        jsch.setKnownHosts(System.getenv("CLIENT_KNOWN_HOSTS"));
        int port = Integer.parseInt(System.getenv("CLIENT_PORT"));
        Session session = jsch.getSession(System.getenv("CLIENT_ACCOUNT"), System.getenv("CLIENT_HOST"), port);
        session.setConfig("StrictHostKeyChecking", "yes");
        session.connect(10_000);
        ChannelExec channel = (ChannelExec) session.openChannel("exec");
        channel.setCommand("whoami");
        java.io.InputStream output = channel.getInputStream();
        channel.connect(10_000);
        System.out.print(new String(output.readAllBytes()));
        session.disconnect();
    }
}
