"""What several tests share: waiting, files, proxies, a daemon and a sandbox as processes."""
