# fish completion for ssh-jit; written by `ssh-jit completion fish`
function __ssh_jit_hosts
    set -l user (string match -r '^[^@]*@' -- (commandline -ct))
    ssh-jit completion hosts 2>/dev/null | string replace -r '^' -- "$user"
end
set -l commands approve break-glass cancel comment completion config deny doctor done ensure explain export extend hosts lock locks log login logout open passkey path policy request requests review revoke setup show status unlock whoami
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -f -a "$commands"
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -f -a "(__ssh_jit_hosts)"
complete -c ssh-jit -n "__fish_seen_subcommand_from break-glass config doctor done ensure explain export extend path request status" -f -a "(__ssh_jit_hosts)"
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -l action
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -l break-glass
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -l for
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -l installation
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -l no-wait
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -l non-interactive
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -l quiet
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -l reason
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -l start
complete -c ssh-jit -n "not __fish_seen_subcommand_from $commands" -l yes
complete -c ssh-jit -n "__fish_seen_subcommand_from approve" -l comment
complete -c ssh-jit -n "__fish_seen_subcommand_from approve" -l for
complete -c ssh-jit -n "__fish_seen_subcommand_from approve" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from approve" -l yes
complete -c ssh-jit -n "__fish_seen_subcommand_from approve" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from break-glass" -l action
complete -c ssh-jit -n "__fish_seen_subcommand_from break-glass" -l for
complete -c ssh-jit -n "__fish_seen_subcommand_from break-glass" -l reason
complete -c ssh-jit -n "__fish_seen_subcommand_from break-glass" -l yes
complete -c ssh-jit -n "__fish_seen_subcommand_from break-glass" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from cancel" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from cancel" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from comment" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from comment" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from config" -l check
complete -c ssh-jit -n "__fish_seen_subcommand_from config" -l inline
complete -c ssh-jit -n "__fish_seen_subcommand_from config" -l remove
complete -c ssh-jit -n "__fish_seen_subcommand_from config" -l write
complete -c ssh-jit -n "__fish_seen_subcommand_from config" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from deny" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from deny" -l reason
complete -c ssh-jit -n "__fish_seen_subcommand_from deny" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from doctor" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from doctor" -l no-trial
complete -c ssh-jit -n "__fish_seen_subcommand_from doctor" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from done" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from done" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from ensure" -l quiet
complete -c ssh-jit -n "__fish_seen_subcommand_from ensure" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from explain" -l break-glass
complete -c ssh-jit -n "__fish_seen_subcommand_from explain" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from explain" -l person
complete -c ssh-jit -n "__fish_seen_subcommand_from explain" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from export" -l format
complete -c ssh-jit -n "__fish_seen_subcommand_from export" -l output
complete -c ssh-jit -n "__fish_seen_subcommand_from export" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from extend" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from extend" -l reason
complete -c ssh-jit -n "__fish_seen_subcommand_from extend" -l wait
complete -c ssh-jit -n "__fish_seen_subcommand_from extend" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from hosts" -l details
complete -c ssh-jit -n "__fish_seen_subcommand_from hosts" -l forget
complete -c ssh-jit -n "__fish_seen_subcommand_from hosts" -l host
complete -c ssh-jit -n "__fish_seen_subcommand_from hosts" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from hosts" -l label
complete -c ssh-jit -n "__fish_seen_subcommand_from hosts" -l limit
complete -c ssh-jit -n "__fish_seen_subcommand_from hosts" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from lock" -l all
complete -c ssh-jit -n "__fish_seen_subcommand_from lock" -l host
complete -c ssh-jit -n "__fish_seen_subcommand_from lock" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from lock" -l key
complete -c ssh-jit -n "__fish_seen_subcommand_from lock" -l login
complete -c ssh-jit -n "__fish_seen_subcommand_from lock" -l person
complete -c ssh-jit -n "__fish_seen_subcommand_from lock" -l reason
complete -c ssh-jit -n "__fish_seen_subcommand_from lock" -l yes
complete -c ssh-jit -n "__fish_seen_subcommand_from lock" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from locks" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from locks" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from log" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from log" -l limit
complete -c ssh-jit -n "__fish_seen_subcommand_from log" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from login" -l audience
complete -c ssh-jit -n "__fish_seen_subcommand_from login" -l fresh
complete -c ssh-jit -n "__fish_seen_subcommand_from login" -l key
complete -c ssh-jit -n "__fish_seen_subcommand_from login" -l new-key
complete -c ssh-jit -n "__fish_seen_subcommand_from login" -l no-browser
complete -c ssh-jit -n "__fish_seen_subcommand_from login" -l provider
complete -c ssh-jit -n "__fish_seen_subcommand_from login" -l token-file
complete -c ssh-jit -n "__fish_seen_subcommand_from login" -l workload
complete -c ssh-jit -n "__fish_seen_subcommand_from login" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from logout" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from open" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from open" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from passkey" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from passkey" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from path" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from path" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from request" -l action
complete -c ssh-jit -n "__fish_seen_subcommand_from request" -l dry-run
complete -c ssh-jit -n "__fish_seen_subcommand_from request" -l for
complete -c ssh-jit -n "__fish_seen_subcommand_from request" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from request" -l label
complete -c ssh-jit -n "__fish_seen_subcommand_from request" -l non-interactive
complete -c ssh-jit -n "__fish_seen_subcommand_from request" -l quiet
complete -c ssh-jit -n "__fish_seen_subcommand_from request" -l reason
complete -c ssh-jit -n "__fish_seen_subcommand_from request" -l start
complete -c ssh-jit -n "__fish_seen_subcommand_from request" -l wait
complete -c ssh-jit -n "__fish_seen_subcommand_from request" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from requests" -l all
complete -c ssh-jit -n "__fish_seen_subcommand_from requests" -l approve
complete -c ssh-jit -n "__fish_seen_subcommand_from requests" -l find
complete -c ssh-jit -n "__fish_seen_subcommand_from requests" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from requests" -l limit
complete -c ssh-jit -n "__fish_seen_subcommand_from requests" -l mine
complete -c ssh-jit -n "__fish_seen_subcommand_from requests" -l over
complete -c ssh-jit -n "__fish_seen_subcommand_from requests" -l review
complete -c ssh-jit -n "__fish_seen_subcommand_from requests" -l since
complete -c ssh-jit -n "__fish_seen_subcommand_from requests" -l state
complete -c ssh-jit -n "__fish_seen_subcommand_from requests" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from review" -l comment
complete -c ssh-jit -n "__fish_seen_subcommand_from review" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from review" -l justified
complete -c ssh-jit -n "__fish_seen_subcommand_from review" -l unjustified
complete -c ssh-jit -n "__fish_seen_subcommand_from review" -l yes
complete -c ssh-jit -n "__fish_seen_subcommand_from review" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from revoke" -l certificate
complete -c ssh-jit -n "__fish_seen_subcommand_from revoke" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from revoke" -l login
complete -c ssh-jit -n "__fish_seen_subcommand_from revoke" -l reason
complete -c ssh-jit -n "__fish_seen_subcommand_from revoke" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from setup" -l certificates
complete -c ssh-jit -n "__fish_seen_subcommand_from setup" -l default
complete -c ssh-jit -n "__fish_seen_subcommand_from setup" -l list
complete -c ssh-jit -n "__fish_seen_subcommand_from setup" -l name
complete -c ssh-jit -n "__fish_seen_subcommand_from setup" -l provider
complete -c ssh-jit -n "__fish_seen_subcommand_from setup" -l remove
complete -c ssh-jit -n "__fish_seen_subcommand_from setup" -l root
complete -c ssh-jit -n "__fish_seen_subcommand_from setup" -l unknown-hosts
complete -c ssh-jit -n "__fish_seen_subcommand_from setup" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from show" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from show" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from status" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from status" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from unlock" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from unlock" -l reason
complete -c ssh-jit -n "__fish_seen_subcommand_from unlock" -l yes
complete -c ssh-jit -n "__fish_seen_subcommand_from unlock" -l help
complete -c ssh-jit -n "__fish_seen_subcommand_from whoami" -l json
complete -c ssh-jit -n "__fish_seen_subcommand_from whoami" -l help
