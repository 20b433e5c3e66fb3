#!/bin/sh
# train_mpi on separate hosts: network namespaces with host names and addresses of their own, joined by a bridge, one or two ranks on each, real TCP between them.
# usage: tests/mpi_hosts.sh BUILD [KILLS]          (from the repository root, as root, with iproute2; skips where namespaces are not allowed; 5 kills by default)
set -u
build=$1 kills=${2:-5}
program=$PWD/$build/bin/train_mpi model=$PWD/examples/data/mini hosts=4 net=10.213.77
skip() { echo "mpi_hosts: $*: not tried"; exit 0; }
command -v mpirun >/dev/null && [ -x "$program" ] || skip 'no mpirun, or no train_mpi'
mpirun --version 2>/dev/null | grep -q 'Open MPI' || skip 'its settings are for Open MPI'
command -v ip >/dev/null || skip 'no iproute2'
name=orthsr$$ bridge=orthsr$$ # of at most 15 letters
ip netns add "${name}n1" 2>/dev/null || skip 'network namespaces are not allowed here'
work=$(mktemp -d)
clean() {
    for h in $(seq $hosts); do ip netns del "${name}n$h" 2>/dev/null; done
    ip link del "$bridge" 2>/dev/null
    rm -rf "$work"
}
trap clean EXIT
die() { echo "mpi_hosts: $*"; tail -n 5 "$work/stdout" "$work/stderr"; exit 1; }
now() { awk '{print $1}' /proc/uptime; }
since() { echo "$1 $(now)" | awk '{print $2 - $1}'; }
random() { od -An -N3 -tu4 /dev/urandom | awk -v most="$1" '{print most * $1 / 16777216}'; } # from 0 to $1

ip link add name "$bridge" type bridge && ip link set "$bridge" up || skip 'no bridge'
for h in $(seq $hosts); do
    [ "$h" = 1 ] || ip netns add "${name}n$h" || skip 'no namespace'
    ip link add "v$$.$h" type veth peer name eth0 netns "${name}n$h" || skip 'no veth'
    ip link set "v$$.$h" master "$bridge" up
    ip -n "${name}n$h" addr add "$net.$h/24" dev eth0
    ip -n "${name}n$h" link set eth0 up
    ip -n "${name}n$h" link set lo up
done
# What ssh is elsewhere: HOST COMMAND..., in the namespace of that address and under its name.
cat >"$work/agent" <<END
#!/bin/sh
host=\$1
shift
exec ip netns exec ${name}n\${host##*.} unshare --uts sh -c "hostname host\${host##*.}; \$*"
END
chmod +x "$work/agent"
"$work/agent" "$net.2" hostname | grep -qx host2 || skip 'no host names of their own'
"$work/agent" "$net.1" "ping -c 1 -W 2 $net.2" >/dev/null 2>&1 || "$work/agent" "$net.1" 'true' || skip 'hosts do not hear of each other'

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_plm_rsh_agent="$work/agent" OMPI_MCA_btl=tcp,self OMPI_MCA_pml=ob1 OMPI_MCA_btl_tcp_if_include=$net.0/24 OMPI_MCA_oob_tcp_if_include=$net.0/24
# mpirun's own connections to its daemons: without these it would wait for one that is cut off for minutes.
export OMPI_MCA_oob_tcp_keepalive_time=3 OMPI_MCA_oob_tcp_keepalive_intvl=1 OMPI_MCA_oob_tcp_keepalive_probes=3
options='--shots 2 --epochs 4 --batch-size 8 --save-every 1 --timeout 10 --threads 1 --augment'
for picture in examples/data/clothes/*.png; do
    class=$(basename "$picture" .png)
    mkdir -p "$work/images/train/$class"
    cp "$picture" "$work/images/train/$class/0.png"
    cp "$picture" "$work/images/train/$class/1.png"
done
# RANKS HOSTS, then options: from the first host, ranks take turns at the hosts.
command_of() {
    list=$(seq -s , "$2" | sed "s/\([0-9][0-9]*\)/$net.\1:4/g") ranks=$1
    shift 2
    echo "exec mpirun --host $list --map-by node -n $ranks $program $options $* $model $work/images $work/out"
}
train() { timeout 120 "$work/agent" "$net.1" "$(command_of "$@")" >"$work/stdout" 2>"$work/stderr"; }
result() { sed -n 's/.*adapter.safetensors; loss \([^;]*\);.*/\1/p' "$work/stdout" && sha256sum <"$work/out/adapter.safetensors"; }

train 1 1 || die 'one rank fails'
result >"$work/whole"
same=0
for case in 2,2 3,3 4,4 4,2; do
    rm -rf "$work/out"
    before=$(now)
    train ${case%,*} ${case#*,} || die "${case%,*} ranks on ${case#*,} hosts fail"
    seconds=$(since "$before")
    result | cmp -s - "$work/whole" || die "${case%,*} ranks on ${case#*,} hosts come to something else"
    same=$((same + 1))
done
grep -q '[0-9] MB sent' "$work/stdout" || die 'nothing was sent'

# ---- a rank dies on a host, a host goes away ----
victims() { ip netns pids "${name}n$1" 2>/dev/null | while read -r p; do [ "$(readlink "/proc/$p/exe")" != "$program" ] || echo "$p"; done; }
killed=0 slowest=0
# What happens to host $1 after a random time, and that the job is over within $2 seconds, and is gone on with.
strike() {
    rm -rf "$work/out"
    : >"$work/stdout"
    "$work/agent" "$net.1" "$(command_of 4 4)" >"$work/stdout" 2>"$work/stderr" &
    job=$!
    until grep -q '^step 1 ' "$work/stdout" || ! kill -0 $job 2>/dev/null; do sleep 0.05; done
    sleep "$(random "$(echo "$seconds" | awk '{print 0.3 * $1}')")"
    $3 "$1" || die 'nothing to strike'
    before=$(now)
    while kill -0 $job 2>/dev/null && echo "$(since "$before") $2" | awk '{exit !($1 < $2)}'; do sleep 0.05; done
    took=$(since "$before")
    ! kill -0 $job 2>/dev/null || { kill -KILL $job; die "it goes on $2 s after $3 $1"; }
    ! wait $job || { result | cmp -s - "$work/whole" && return; die "it ends well after $3 $1, with something else"; } # it was done
    grep -q "rank $(($1 - 1))\b\|host$1\|$net.$1" "$work/stderr" || die "nobody names what is gone"
    grep -q "rank [0-9]*: .*step [0-9]" "$work/stderr" || die 'nobody names the step'
    slowest=$(echo "$took $slowest" | awk '{print ($1 > $2 ? $1 : $2)}')
    killed=$((killed + 1))
}
kill_rank() { kill -KILL $(victims "$1" | head -n 1) 2>/dev/null; }
cut_off() { ip -n "${name}n$1" link set eth0 down; }
goes_on() {
    train "$1" "$2" --resume || die "it does not go on with $1 ranks on $2 hosts"
    result | cmp -s - "$work/whole" || die "gone on with by $1 ranks on $2 hosts it comes to something else"
}
for i in $(seq "$kills"); do
    strike $((1 + i % 4)) 10 kill_rank
    goes_on $((1 + i % 3)) $((1 + i % 3))
done
strike 4 15 cut_off # nobody is told: mpirun's keepalive or --timeout finds out
for p in $(ip netns pids "${name}n4"); do kill -KILL "$p"; done
goes_on 3 3
echo "mpi_hosts: $same runs on 2 to 4 hosts to the same bits; $killed times a rank or its host went away, the job over within $slowest s and gone on with to the same bits"
