package bot

import "strings"

// phrasesGuard are what the guard, the walk and the connections say.
var phrasesGuard = []phrase{
	// The guard: what it could not learn.
	{"Refused: {}.", "已拒绝：{1}。"},
	{"Refused for {} reasons: {}.", "已拒绝，共 {1} 条原因：{2}。"},
	{"no check was heard", "没有任何检查作出回应"},
	{"Nothing was run. If the server's role is not what you expect, discover the cluster again.", "未执行任何操作。如果服务器角色与预期不符，请重新发现该集群。"},
	{"Nothing was run.", "未执行任何操作。"},
	{"If the server's role is not what you expect, discover the cluster again.", "如果服务器角色与预期不符，请重新发现该集群。"},
	{"{} cannot be watched: it {}", "无法监视 {1}：{2}"},
	{"{} could not be looked at completely: {}", "无法完整查看 {1}：{2}"},
	{"{} does not say which server it is", "{1} 没有说明自己是哪台服务器"},
	{"{} is not in the newest topology of {}", "{1} 不在 {2} 的最新拓扑中"},
	{"{} said read_only=1 and then nothing more", "{1} 返回 read_only=1 之后不再响应"},
	{"{} was not asked just now", "刚才没有询问 {1}"},
	{"a stored answer gives no permission", "存储的结果不能作为许可"},
	{"{} was not reached, so nobody knows its role", "未能访问 {1}，无法确认其角色"},
	{"{} was not reached, so nobody knows whether it accepts writes", "未能访问 {1}，无法确认它是否可写"},
	{"{} was not reached, so nobody knows whether it has replicas", "未能访问 {1}，无法确认它是否有从库"},
	{"{} was not reached, so nobody knows whether it is in a group", "未能访问 {1}，无法确认它是否属于复制组"},
	{"{} was not reached, so nobody knows whether it is written to", "未能访问 {1}，无法确认它是否有写入"},
	{"{} was not reached, so nobody knows whether it replicates", "未能访问 {1}，无法确认它是否在复制"},
	{"no plan says which server {} has to be", "没有计划说明 {1} 应是哪台服务器"},
	{"the check {} on {} broke", "对 {2} 的检查 {1} 出错"},
	{"the check {} on {} did not answer in time", "对 {2} 的检查 {1} 未及时回应"},
	{"the check {} on {} gave no answer", "对 {2} 的检查 {1} 没有给出结果"},
	{"the source of {}, {}, is not known in the topology", "拓扑中没有 {1} 的源库 {2}"},
	{"the topology of {} is known in part only", "{1} 的拓扑只有部分已知"},
	{"the transactions of {} cannot be read", "无法读取 {1} 的事务"},
	{"there is no earlier look at {} to compare its writes with", "没有 {1} 更早的记录，无法比对其写入"},

	// The guard: what it found.
	{"{} does not apply what it receives{} (applier stopped, and not by us)", "{1} 没有回放收到的日志{2}（回放线程已停，且不是我们停的）"},
	{"{} has a replication channel that never read from its source", "{1} 有一个从未读取过源库的复制通道"},
	{"{} has a replication channel {} that never read from its source", "{1} 的复制通道 {2} 从未读取过源库"},
	{"{} is written to: transactions of its own since {}", "{1} 上有写入：{2} 以来有其自身的事务"},
	{"{} was refused by the guard while {} was rebuilt: {}.", "重建 {2} 时 {1} 被保护检查拒绝：{3}。"},

	// The guard: another source of truth.
	{"the external source of truth did not answer about {}", "外部权威数据源没有回应关于 {1} 的询问"},
	{"the external source of truth says nothing about {}", "外部权威数据源中没有 {1}"},
	{"the external source of truth names no primary of {}", "外部权威数据源没有指明 {1} 的主库"},
	{"the external source of truth names {} as primary, which the topology does not know", "外部权威数据源认为主库是 {1}，但拓扑中没有它"},
	{"the external source of truth names {} as primary, the topology says it is {}", "外部权威数据源认为 {1} 是主库，而拓扑中它是{2}"},

	// Roles.
	{"a primary", "主库"},
	{"a replica", "从库"},
	{"an intermediate", "中继从库"},
	{"a standalone server", "独立实例"},
	{"a server of unknown role", "角色未知的服务器"},
	{"a binlog server", " binlog 服务器"},
	{"a group member", "组复制成员"},

	// What a walk tells.
	{"{} is the primary; tables are inventoried on replicas", "{1} 是主库，只在从库上清点表"},
	{"{} is the standalone; tables are inventoried on replicas", "{1} 是独立实例，只在从库上清点表"},
	{"{} replicates from server_id {} at {}, but server_id {} answers there", "{1} 从 {3} 上的 server_id {2} 复制，但该地址应答的是 server_id {4}"},
	{"{} lists a replica with server_id {} and the server_uuid of {} (a copied data directory?)", "{1} 列出的从库 server_id 为 {2}，其 server_uuid 却与 {3} 相同（复制了数据目录？）"},
	{"{} still lists {} as its replica", "{1} 仍将 {2} 列为从库"},
	{"{} does not replicate from it", "{1} 并没有从它复制"},
	{"whether {} has errant transactions could not be checked: {} could not be read a second time", "无法检查 {1} 是否有 errant 事务：第二次未能读取 {2}"},
	{"{} has errant transactions that its source does not have: {}", "{1} 有源库没有的 errant 事务：{2}"},
	{"{} was in the cluster before and replicates with nobody of it now", "{1} 曾在集群中，现在与集群没有复制关系"},
	{"it is left out", "不再列出"},
	{"{} reads the binary log ({}) and answers as no server", "{1} 在读取 binlog（{2}），但不是数据库服务器"},
	{"it is left alone", "不处理"},
	{"{} connection(s) read the binary log and are not registered as a replica (from {})", "{1} 个连接在读取 binlog，但未注册为从库（来自 {2}）"},
	{"tools, which are left alone", "属于工具，不处理"},
	{"{} replicate in a ring", "{1} 组成环形复制"},
	{"{} replicate from each other (dual primary)", "{1} 互为主从（双主）"},
	{"none of them accepts writes", "都不可写"},
	{"only {} accepts writes", "只有 {1} 可写"},
	{"{} accept writes", "{1} 可写"},
	{"run there: {}", "请在该服务器执行：{1}"},
	{"its lag is not known: {}", "复制延迟未知：{1}"},
	{"{}, reports no address (report_host is not set)", "{1}，没有上报地址（未设置 report_host）"},
	{"source of {}", "{1} 的源库"},
	{"replica of {}", "{1} 的从库"},
	{"beyond the limit of {} servers", "超出 {1} 台服务器的上限"},
	{"beyond the depth limit of {}", "超出层级上限 {1}"},
	{"last seen {}", "上次见到 {1}"},
	{"expected until {}", "保留到 {1}"},
	{"another server answers there", "该地址应答的是另一台服务器"},
	{"it has the same server_uuid as another server (a copied data directory)", "server_uuid 与另一台服务器相同（复制了数据目录）"},
	{"{} could not be read: the account lacks {} (error {})", "无法读取{1}：账号缺少权限 {2}（错误 {3}）"},
	{"{} could not be read (error {})", "无法读取{1}（错误 {2}）"},
	{"replication status", "复制状态"},
	{"the list of replicas", "从库列表"},
	{"the GTID state", " GTID 状态"},
	{"the executed GTIDs", "已执行的 GTID"},
	{"the binary log position", " binlog 位点"},
	{"the replicas' connections", "从库连接"},
	{"the replication group", "复制组"},
	{"the appliers' errors", "回放线程的错误"},
	{"the lag", "复制延迟"},
	{"the heartbeat", "心跳"},

	// Connections.
	{"{} is not in the allow list of {}, so it was not contacted.", "{1} 不在 {2} 的允许列表中，因此没有连接它。"},
	{"Add the host to the cluster's hosts or a fitting pattern to its allow list.", "请把该主机加入集群的 hosts，或在允许列表中添加匹配的模式。"},
	{"Check that the server runs, its port, and the network between.", "请检查服务器是否运行、端口以及网络。"},
	{"Check the account, its password and the host it may connect from.", "请检查账号、密码及允许的来源主机。"},
	{"Check the name in the configuration, or what the server reports as report_host.", "请检查配置中的名称，或服务器上报的 report_host。"},
	{"Check the password's file or environment variable.", "请检查密码文件或环境变量。"},
	{"Check the server's certificate and the cluster's tls settings.", "请检查服务器证书和集群的 tls 设置。"},
	{"Connect to the server itself, not through a proxy or a moving address; discover again.", "请直连服务器，不要经过代理或浮动地址；然后重新发现。"},
	{"Wait, or raise max_connections on the server.", "请稍候，或调大服务器的 max_connections。"},
	{"See the log for the server's answer.", "服务器的返回信息见日志。"},
}

// predicates are what stands behind a server's name, or behind "it".
var predicates = []phrase{
	{"answers as another server than before", "应答的已不是原来的服务器"},
	{"answers with error {}", "返回错误 {1}"},
	{"broke off the connection", "中断了连接"},
	{"cannot be reached", "无法访问"},
	{"cannot be reached with TLS as configured", "按配置的 TLS 无法连接"},
	{"closes the connection", "关闭了连接"},
	{"does not answer in time", "未及时响应"},
	{"does not answer", "没有响应"},
	{"does not replicate", "没有在复制"},
	{"gives answers that cannot be read", "返回的内容无法解析"},
	{"has a name that does not resolve", "域名无法解析"},
	{"has too many connections", "连接数已满"},
	{"not in the allow list", "不在允许列表中"},
	{"refuses connections (nobody listens there)", "拒绝连接（端口无人监听）"},
	{"refuses our account (error {})", "拒绝我们的账号（错误 {1}）"},
	{"was not contacted: the password could not be read", "没有被连接：无法读取密码"},
}

// sayOf are the predicates, alone, of "it", and of a named server.
func sayOf(predicates []phrase) []phrase {
	out := make([]phrase, 0, 3*len(predicates))
	for _, p := range predicates {
		out = append(out, p, phrase{"it " + p.english, "它" + p.chinese},
			phrase{"{} " + p.english + ".", "{1} " + strings.ReplaceAll(p.chinese, "{1}", "{2}") + "。"})
	}
	return out
}
