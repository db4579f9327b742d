# Logs in by Net::SSH, which finds the certificate beside the key by itself.
require "net/ssh"

settings = {
  host_name: ENV.fetch("CLIENT_ADDRESS"), port: ENV.fetch("CLIENT_PORT").to_i, host_key_alias: ENV.fetch("CLIENT_HOST"),
  keys: [ENV.fetch("CLIENT_KEY")], keys_only: true, use_agent: false, config: false, auth_methods: ["publickey"],
  user_known_hosts_file: [ENV.fetch("CLIENT_KNOWN_HOSTS")], global_known_hosts_file: [], verify_host_key: :always,
  append_all_supported_algorithms: false
}
Net::SSH.start(ENV.fetch("CLIENT_HOST"), ENV.fetch("CLIENT_ACCOUNT"), **settings) { |ssh| print ssh.exec!("whoami") }
