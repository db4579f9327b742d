// npm's oidc-provider with a few clients and one account; what is configured comes in the environment, as JSON.
import Provider from "oidc-provider";

const { port, clients, conform, keys } = JSON.parse(process.env.OIDC_PROVIDER);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  conformIdTokenClaims: conform,
  ...(keys ? { jwks: { keys } } : {}),
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
  features: { backchannelLogout: { enabled: true } },
  // As shipped it calls no loopback address; ours is one.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id, name: "Alice A", email: `${id}@example.com`, email_verified: true, groups: ["SRE"],
    }),
  }),
});
provider.on("backchannel.error", (_, error) => console.log("logout:", error, error.cause));
provider.listen(port, "127.0.0.1", () => console.log("ready"));
