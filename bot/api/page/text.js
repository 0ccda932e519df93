// The words of the page in both languages, and how numbers are written.

const words = {
  en: {
    running: 'Running', waiting: 'Waiting for approval', recent: 'Ended', given: 'Given back', cluster: 'Cluster',
    tables: 'Tables worth a rebuild', schedules: 'Schedules', job: 'Job', host: 'Host', state: 'State', progress: 'Progress',
    started: 'Started', ended: 'Ended', table: 'Table', size: 'Size', before: 'Before', after: 'After', gain: 'Gives back',
    gave: 'Given back', took: 'Time', seen: 'Seen', asked: 'Asked by', command: 'Command', expires: 'Expires', next: 'Next', when: 'Time (cron)',
    owner: 'Owner', reason: 'Reason', none_running: 'Nothing is running.', none_waiting: 'Nothing waits for approval.',
    none_recent: 'No job has ended yet.', none_given: 'Nothing was given back in the last 30 days.', none_tables: 'No discovery has found a table worth a rebuild.',
    none_schedules: 'There are no schedules.', none_topology: 'This cluster was not discovered yet: /recycle discover HOST', approve_in: 'Decide in the cluster’s channel.',
    token: 'Token', token_hint: 'A token with the scope read; an administrator makes one with: recycler token create --scope read --name NAME',
    open: 'Open', wrong: 'This token is not known, was revoked or has expired.', forget: 'Forget the token', old: 'No answer from the server. What is shown is of {t}.',
    healthy: 'All well', troubled: 'Needs a look', as_text: 'As text', total30: 'In the last 30 days: {b}, tables rebuilt: {n}', top_day: 'highest day {b}', of_tables: 'Tables: {n} of {m}', waits_for: 'Waits',
    left: 'about {t} left', no_steps: 'This job has no tables.', close: 'Close', language: '中文', day: 'Day', paused_s: 'paused', all: 'All clusters',
    s: { queued: 'queued', running: 'running', paused: 'paused', succeeded: 'done', failed: 'failed', cancelled: 'cancelled', refused: 'refused',
      pending: 'waiting', done: 'done', skipped: 'skipped', unknown: 'unknown', active: 'active' },
  },
  zh: {
    running: '进行中', waiting: '等待审批', recent: '已结束', given: '已回收空间', cluster: '集群', tables: '值得重建的表', schedules: '计划任务',
    job: '任务', host: '主机', state: '状态', progress: '进度', started: '开始', ended: '结束', table: '表', size: '大小', before: '重建前', after: '重建后',
    gain: '预计回收', gave: '已回收', took: '耗时', seen: '采集于', asked: '发起人', command: '命令', expires: '失效时间', next: '下次执行', when: '时间（cron）',
    owner: '负责人', reason: '原因', none_running: '没有正在进行的任务。', none_waiting: '没有等待审批的工单。', none_recent: '还没有已结束的任务。',
    none_given: '最近 30 天没有回收空间。', none_tables: '尚未发现值得重建的表。', none_schedules: '没有计划任务。',
    none_topology: '该集群尚未探测：/recycle discover 主机名', approve_in: '请在集群所属频道中审批。', token: '令牌',
    token_hint: '需要 read 权限的令牌，由管理员创建：recycler token create --scope read --name 名称', open: '打开', wrong: '令牌无效、已吊销或已过期。',
    forget: '清除令牌', old: '服务器没有响应，以下内容截至 {t}。', healthy: '运行正常', troubled: '需要关注', as_text: '文本形式',
    total30: '最近 30 天：{b}，重建 {n} 张表', top_day: '单日最高 {b}', of_tables: '表：{n} / {m}', waits_for: '等待', left: '约剩 {t}', no_steps: '该任务没有表。', close: '关闭', language: 'English', day: '日期',
    paused_s: '已暂停', all: '所有集群',
    s: { queued: '排队中', running: '进行中', paused: '已暂停', succeeded: '完成', failed: '失败', cancelled: '已取消', refused: '已拒绝',
      pending: '等待', done: '完成', skipped: '已跳过', unknown: '结果未知', active: '启用' },
  },
};

export let lang = localStorage.getItem('lang') || (navigator.language.startsWith('zh') ? 'zh' : 'en');

export function setLang(l) {
  lang = l;
  localStorage.setItem('lang', l);
  document.documentElement.lang = l === 'zh' ? 'zh-CN' : 'en';
}

// t is a sentence, its {names} filled in.
export function t(key, values = {}) {
  return words[lang][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export const otherLang = () => (lang === 'zh' ? 'en' : 'zh');
export const stateWord = (s) => words[lang].s[s] || s;

// size writes bytes in binary units, as everywhere in the product.
export function size(n) {
  const sign = n < 0 ? '−' : '';
  let f = Math.abs(n);
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; f >= 1023.5 && i < units.length - 1; i++) f /= 1024;
  return sign + (i === 0 || f >= 99.95 ? f.toFixed(0) : f.toFixed(1)) + ' ' + units[i];
}

// span writes seconds as people say them.
export function span(s) {
  if (s < 1) return `${Math.max(1, Math.round(s * 1000))} ms`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return `${Math.floor(s / 3600)} h ${String(Math.round((s % 3600) / 60)).padStart(2, '0')} min`;
}

// stamp writes a time in the reader's zone; the date only when it is not today.
export function stamp(text) {
  if (!text) return '';
  const d = new Date(text);
  const two = (n) => String(n).padStart(2, '0');
  const clock = `${two(d.getHours())}:${two(d.getMinutes())}`;
  const today = new Date().toDateString() === d.toDateString();
  return today ? clock : `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock}`;
}
