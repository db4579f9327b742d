// Tries to log in by ssh2: it has no way to present a certificate, so the plain key is all that it shows.
const { Client } = require("ssh2");
const { readFileSync } = require("fs");

new Client()
  .on("ready", () => console.log("logged in"))
  .on("error", (error) => { console.error(error.message); process.exit(1); })
  .connect({
    host: process.env.CLIENT_ADDRESS, port: Number(process.env.CLIENT_PORT), username: process.env.CLIENT_ACCOUNT,
    privateKey: readFileSync(process.env.CLIENT_KEY),
  });
