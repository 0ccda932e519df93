package dbconn

import (
	"net"
	"strconv"
	"strings"
)

// fits reports whether a canonical address fits one pattern of Access.Allow.
func fits(pattern string, addr Addr) bool {
	pattern = strings.TrimSuffix(strings.ToLower(strings.TrimSpace(pattern)), ".")
	if pattern == "" {
		return false
	}
	ip := net.ParseIP(addr.Host)
	if _, network, err := net.ParseCIDR(pattern); err == nil {
		return ip != nil && network.Contains(ip)
	}
	host, port := splitPattern(pattern)
	if port != "" && port != "*" && port != strconv.Itoa(addr.Port) {
		return false
	}
	if want := net.ParseIP(host); want != nil {
		return ip != nil && want.Equal(ip)
	}
	if ip != nil {
		// Letters in the pattern mean a name; a number never fits a name's pattern, and a name
		// made of digits never fits a number's.
		return strings.Trim(host, "0123456789.*") == "" && glob(host, addr.Host, true)
	}
	return glob(host, addr.Host, false)
}

// splitPattern takes a :port off the end of a pattern, IPv6 addresses in brackets or bare.
func splitPattern(p string) (host, port string) {
	if net.ParseIP(p) != nil {
		return p, ""
	}
	i := strings.LastIndexByte(p, ':')
	if i < 0 {
		return strings.Trim(p, "[]"), ""
	}
	return strings.Trim(p[:i], "[]"), p[i+1:]
}

// glob matches s with a pattern in which * stands for any run of characters, with or without dots.
func glob(pattern, s string, dots bool) bool {
	star := strings.IndexByte(pattern, '*')
	if star < 0 {
		return pattern == s
	}
	if !strings.HasPrefix(s, pattern[:star]) {
		return false
	}
	rest, s := pattern[star+1:], s[star:]
	for i := 0; ; i++ {
		if glob(rest, s[i:], dots) {
			return true
		}
		if i == len(s) || (!dots && s[i] == '.') {
			return false
		}
	}
}
