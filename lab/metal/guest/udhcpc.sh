#!/bin/sh
# What udhcpc runs when it has an address.
[ "$1" = bound ] || exit 0
ip addr add "$ip/${mask:-24}" dev "$interface"
for gateway in $router; do ip route add default via "$gateway"; done
