import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/**
 * Starts AWS's DynamoDB Local on a free port of 127.0.0.1 and prints where. By
 * itself it listens on every interface, has no option to say otherwise, and
 * takes no port 0, so the connector of its web server is told before it starts.
 *
 * Run from source: java -cp DynamoDBLocal.jar DynamoDbLocalOnLoopback.java -inMemory
 */
public class DynamoDbLocalOnLoopback {
    public static void main(String[] arguments) throws Exception {
        DynamoDBProxyServer local = ServerRunner.createServerFromCommandLineArgs(arguments);
        var field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        Server server = (Server) field.get(local);
        ServerConnector connector = (ServerConnector) server.getConnectors()[0];
        connector.setHost("127.0.0.1");
        connector.setPort(0);
        local.safeStart();
        System.out.println("listening on http://127.0.0.1:" + connector.getLocalPort());
        local.join();
    }
}
