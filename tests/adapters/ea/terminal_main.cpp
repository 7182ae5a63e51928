// The expert inside the fake terminal: events as MetaTrader gives them, all on one thread, and
// what the world does as lines on the standard input.
//
// tick SYMBOL BID ASK | open ID SYMBOL TYPE VOLUME PRICE COMMENT | close ID | rest TICKET SYMBOL |
// deposit MONEY | equity MONEY | offset SECONDS | answer RETCODE | slow MS | offline | online |
// filling SYMBOL FLAGS | terms SYMBOL CONTRACT_SIZE VOLUME_STEP TICK_VALUE | login NUMBER |
// restart (the expert, as a change of its chart does) | full | lose (transaction events) | quit
#define input static
#include "fake_terminal.h"

#include "Tidegate.cpp"

namespace {

bool lose_events = false;

long TickTime(const FakeSymbol &symbol) {
  long now = terminal.server_msc();
  if (symbol.ticks.empty() || symbol.ticks.back().time_msc > now + 60000) return now;
  return std::max(now, symbol.ticks.back().time_msc);
}

bool Obey(const std::string &line) {
  std::istringstream words(line);
  std::string verb, name, rest;
  words >> verb;
  if (verb == "tick") {
    double bid = 0.0, ask = 0.0;
    words >> name >> bid >> ask;
    FakeSymbol &symbol = terminal.symbols.at(name);
    symbol.ticks.push_back({TickTime(symbol), bid, ask, 6});
    if (string(name) == _Symbol) OnTick();
  } else if (verb == "open") {
    FakePosition held{};
    words >> held.identifier >> held.symbol >> held.type >> held.volume >> held.price_open;
    std::getline(words >> std::ws, held.comment);
    held.ticket = ulong(held.identifier) + 100;
    terminal.symbols.at(held.symbol).chosen = true;
    terminal.positions.push_back(held);
    terminal.book(held, held.volume, held.price_open, 0, held.comment);
  } else if (verb == "close") {
    ulong identifier = 0;
    words >> identifier;
    FakePosition *held = terminal.by_ticket(identifier + 100);
    terminal.reduce(held->ticket, held->volume, 1.2, 1, "");
  } else if (verb == "rest") {
    FakeOrder order{};
    words >> order.ticket >> order.symbol;
    terminal.symbols.at(order.symbol).chosen = true;
    terminal.orders.push_back(order);
  } else if (verb == "deposit") {
    double money = 0.0;
    words >> money;
    terminal.balance += money;
    terminal.equity += money;
    terminal.deals.push_back(
        {terminal.next_ticket, 0, 0, "", 2, 0, 0.0, 0.0, money, "", terminal.server_msc()});
    terminal.transactions.push_back({terminal.next_ticket++, TRADE_TRANSACTION_DEAL_ADD});
  } else if (verb == "equity") {
    words >> terminal.equity;
  } else if (verb == "offset") {
    words >> server_offset_s;
  } else if (verb == "answer") {
    uint retcode = 0;
    words >> retcode;
    terminal.answers.push_back(retcode);
  } else if (verb == "slow") {
    words >> terminal.order_ms;
  } else if (verb == "filling") {
    words >> name;
    words >> terminal.symbols.at(name).filling;
  } else if (verb == "terms") {
    words >> name;
    FakeSymbol &symbol = terminal.symbols.at(name);
    words >> symbol.contract_size >> symbol.volume_step >> symbol.tick_value;
  } else if (verb == "login") {
    words >> terminal.login;
  } else if (verb == "restart") {
    OnDeinit(3);  // REASON_CHARTCHANGE: global variables stay as they are
    if (OnInit() != INIT_SUCCEEDED) return false;
  } else if (verb == "offline" || verb == "online") {
    terminal.connected = verb == "online";
  } else if (verb == "full") {
    disk_full = true;
  } else if (verb == "lose") {
    lose_events = true;
  } else {
    return false;
  }
  std::printf("done %s\n", line.c_str());
  std::fflush(stdout);
  return true;
}

string Setting(const char *name) {
  const char *value = std::getenv(name);
  return string(value ? value : "");
}

}  // namespace

int main() {
  signal(SIGPIPE, SIG_IGN);
  Engine = Setting("ENGINE");
  Thumbprints = Setting("THUMBPRINTS");
  TerminalKey = Setting("TERMINAL_KEY");
  EngineSilentS = std::atoi(Setting("SILENT_S").utf8().c_str());
  SettleMs = 20;
  TimerMs = 5;
  std::string open;
  if (OnInit() != INIT_SUCCEEDED) return 3;
  bool obeys = true;
  while (obeys && !terminal.removed) {
    pollfd ready{0, POLLIN, 0};
    if (poll(&ready, 1, TimerMs) == 1) {
      char bytes[4096];
      long got = read(0, bytes, sizeof bytes);
      if (got <= 0) break;
      open.append(bytes, size_t(got));
      for (size_t end; obeys && (end = open.find('\n')) != std::string::npos;) {
        obeys = Obey(open.substr(0, end));
        open.erase(0, end + 1);
      }
    }
    OnTimer();
    std::vector<MqlTradeTransaction> happened;
    happened.swap(terminal.transactions);
    for (const MqlTradeTransaction &one : happened)
      if (!lose_events) OnTradeTransaction(one, MqlTradeRequest(), MqlTradeResult());
  }
  OnDeinit(0);
  return terminal.removed ? 4 : 0;
}
