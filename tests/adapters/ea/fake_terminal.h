// A terminal whose account, market and broker are told what to be, a line at a time.
#pragma once

#include <sstream>

#include "mql5_shim.h"

// Names and numbers of the MQL5 reference; only those the expert uses.

enum ENUM_INIT_RETCODE { INIT_SUCCEEDED = 0, INIT_FAILED = 1, INIT_PARAMETERS_INCORRECT = 2 };
enum ENUM_TERMINAL_INFO_INTEGER { TERMINAL_BUILD, TERMINAL_CONNECTED, TERMINAL_TRADE_ALLOWED };
enum ENUM_MQL_INFO_INTEGER { MQL_TRADE_ALLOWED };
enum ENUM_ACCOUNT_INFO_INTEGER {
  ACCOUNT_LOGIN,
  ACCOUNT_LEVERAGE,
  ACCOUNT_MARGIN_MODE,
  ACCOUNT_CURRENCY_DIGITS,
  ACCOUNT_TRADE_ALLOWED,
  ACCOUNT_TRADE_EXPERT
};
enum ENUM_ACCOUNT_INFO_DOUBLE {
  ACCOUNT_BALANCE,
  ACCOUNT_CREDIT,
  ACCOUNT_EQUITY,
  ACCOUNT_MARGIN,
  ACCOUNT_PROFIT,
  ACCOUNT_MARGIN_LEVEL
};
enum ENUM_ACCOUNT_INFO_STRING { ACCOUNT_SERVER, ACCOUNT_COMPANY, ACCOUNT_CURRENCY };
enum ENUM_POSITION_PROPERTY_INTEGER {
  POSITION_IDENTIFIER,
  POSITION_TICKET,
  POSITION_TYPE,
  POSITION_MAGIC,
  POSITION_REASON,
  POSITION_TIME_MSC,
  POSITION_TIME_UPDATE_MSC
};
enum ENUM_POSITION_PROPERTY_DOUBLE {
  POSITION_VOLUME,
  POSITION_PRICE_OPEN,
  POSITION_SL,
  POSITION_TP,
  POSITION_SWAP,
  POSITION_PROFIT
};
enum ENUM_POSITION_PROPERTY_STRING { POSITION_SYMBOL, POSITION_COMMENT };
enum { POSITION_TYPE_BUY, POSITION_TYPE_SELL };
enum ENUM_ORDER_PROPERTY_INTEGER {
  ORDER_TYPE,
  ORDER_STATE,
  ORDER_MAGIC,
  ORDER_POSITION_ID,
  ORDER_TIME_SETUP_MSC
};
enum ENUM_ORDER_PROPERTY_DOUBLE {
  ORDER_VOLUME_CURRENT,
  ORDER_VOLUME_INITIAL,
  ORDER_PRICE_OPEN,
  ORDER_SL,
  ORDER_TP
};
enum ENUM_ORDER_PROPERTY_STRING { ORDER_SYMBOL, ORDER_COMMENT };
enum ENUM_DEAL_PROPERTY_INTEGER {
  DEAL_ORDER,
  DEAL_POSITION_ID,
  DEAL_TYPE,
  DEAL_ENTRY,
  DEAL_MAGIC,
  DEAL_REASON,
  DEAL_TIME_MSC
};
enum ENUM_DEAL_PROPERTY_DOUBLE {
  DEAL_VOLUME,
  DEAL_PRICE,
  DEAL_PROFIT,
  DEAL_SWAP,
  DEAL_COMMISSION,
  DEAL_FEE
};
enum ENUM_DEAL_PROPERTY_STRING { DEAL_SYMBOL, DEAL_COMMENT };
enum ENUM_SYMBOL_INFO_INTEGER {
  SYMBOL_DIGITS,
  SYMBOL_TRADE_CALC_MODE,
  SYMBOL_FILLING_MODE,
  SYMBOL_TRADE_MODE,
  SYMBOL_TRADE_STOPS_LEVEL
};
enum ENUM_SYMBOL_INFO_DOUBLE {
  SYMBOL_TRADE_CONTRACT_SIZE,
  SYMBOL_TRADE_TICK_SIZE,
  SYMBOL_TRADE_TICK_VALUE,
  SYMBOL_VOLUME_MIN,
  SYMBOL_VOLUME_MAX,
  SYMBOL_VOLUME_STEP
};
enum ENUM_SYMBOL_INFO_STRING {
  SYMBOL_CURRENCY_BASE,
  SYMBOL_CURRENCY_PROFIT,
  SYMBOL_CURRENCY_MARGIN
};
#define SYMBOL_FILLING_FOK 1
#define SYMBOL_FILLING_IOC 2
#define COPY_TICKS_INFO 1u
enum ENUM_TRADE_REQUEST_ACTIONS {
  TRADE_ACTION_NONE = 0,
  TRADE_ACTION_DEAL = 1,
  TRADE_ACTION_REMOVE = 8,
  TRADE_ACTION_CLOSE_BY = 10
};
enum ENUM_ORDER_TYPE { ORDER_TYPE_BUY, ORDER_TYPE_SELL };
enum ENUM_ORDER_TYPE_FILLING { ORDER_FILLING_FOK, ORDER_FILLING_IOC, ORDER_FILLING_RETURN };
enum ENUM_TRADE_TRANSACTION_TYPE { TRADE_TRANSACTION_DEAL_ADD = 6, TRADE_TRANSACTION_POSITION = 9 };

struct MqlTick {
  long time_msc;
  double bid;
  double ask;
  uint flags;
};
struct MqlTradeRequest {
  ENUM_TRADE_REQUEST_ACTIONS action;
  ulong magic, order;
  string symbol;
  double volume, price;
  ulong deviation;
  ENUM_ORDER_TYPE type;
  ENUM_ORDER_TYPE_FILLING type_filling;
  string comment;
  ulong position, position_by;
};
struct MqlTradeResult {
  uint retcode;
  ulong deal, order;
  double volume, price;
  string comment;
};
struct MqlTradeTransaction {
  ulong deal;
  ENUM_TRADE_TRANSACTION_TYPE type;
};

struct FakeSymbol {
  std::string base, profit;
  int digits = 5;
  double contract_size = 100000.0, volume_step = 0.01, tick_value = 1.0;
  long filling = SYMBOL_FILLING_IOC | SYMBOL_FILLING_FOK;
  bool chosen = false;
  std::vector<MqlTick> ticks{};
};
struct FakePosition {
  long identifier;
  ulong ticket;
  std::string symbol;
  int type;
  double volume, price_open;
  std::string comment;
};
struct FakeOrder {
  ulong ticket;
  std::string symbol;
};
struct FakeDeal {
  ulong ticket, order;
  long position_id;
  std::string symbol;
  int type, entry;
  double volume, price, profit;
  std::string comment;
  long time_msc;
};

// The one terminal there is.
struct FakeTerminal {
  bool connected = true;
  long login = 1001;
  double balance = 10000.0, equity = 10000.0, margin = 0.0;
  ulong next_ticket = 5000;
  std::map<std::string, FakeSymbol> symbols{
      {"EURUSD", {"EUR", "USD"}}, {"GBPUSD", {"GBP", "USD"}}, {"USDJPY", {"USD", "JPY", 3}}};
  std::vector<FakePosition> positions;
  std::vector<FakeOrder> orders;
  std::vector<FakeDeal> deals;
  std::vector<MqlTradeTransaction> transactions;
  std::vector<uint> answers;  // to the next requests, instead of doing them
  int order_ms = 0;           // a request takes so long
  size_t position = 0, order = 0;
  bool removed = false;

  long server_msc() const { return GmtNowMs() + server_offset_s * 1000; }
  FakePosition &selected() { return positions.at(position); }
  FakeSymbol &of(const string &name) { return symbols.at(name.utf8()); }
  FakePosition *by_ticket(ulong ticket) {
    for (FakePosition &held : positions)
      if (held.ticket == ticket) return &held;
    return nullptr;
  }
  void book(const FakePosition &held, double volume, double price, int entry,
            const std::string &comment) {
    ulong ticket = next_ticket++;
    int type = entry == 0 ? held.type : 1 - held.type;
    deals.push_back({ticket, next_ticket++, held.identifier, held.symbol, type, entry, volume,
                     price, 0.0, comment, server_msc()});
    transactions.push_back({ticket, TRADE_TRANSACTION_DEAL_ADD});
  }
  void reduce(ulong ticket, double volume, double price, int entry, const std::string &comment) {
    FakePosition *held = by_ticket(ticket);
    book(*held, volume, price, entry, comment);
    held->volume -= volume;
    if (held->volume < 1e-9) positions.erase(positions.begin() + (held - positions.data()));
  }
};
inline FakeTerminal terminal;
inline const string _Symbol = "EURUSD";

inline long TerminalInfoInteger(ENUM_TERMINAL_INFO_INTEGER what) {
  return what == TERMINAL_BUILD ? 4755 : what == TERMINAL_CONNECTED ? terminal.connected : 1;
}
inline long MQLInfoInteger(ENUM_MQL_INFO_INTEGER) { return 1; }
inline void ExpertRemove() { terminal.removed = true; }
inline bool EventSetMillisecondTimer(int) { return true; }
inline void EventKillTimer() {}

inline long AccountInfoInteger(ENUM_ACCOUNT_INFO_INTEGER what) {
  switch (what) {
    case ACCOUNT_LOGIN: return terminal.login;
    case ACCOUNT_LEVERAGE: return 100;
    case ACCOUNT_MARGIN_MODE: return 2;
    case ACCOUNT_CURRENCY_DIGITS: return 2;
    default: return 1;
  }
}
inline double AccountInfoDouble(ENUM_ACCOUNT_INFO_DOUBLE what) {
  switch (what) {
    case ACCOUNT_BALANCE: return terminal.balance;
    case ACCOUNT_EQUITY: return terminal.equity;
    case ACCOUNT_MARGIN: return terminal.margin;
    case ACCOUNT_PROFIT: return terminal.equity - terminal.balance;
    case ACCOUNT_MARGIN_LEVEL: return 100.0 * terminal.equity / terminal.margin;
    default: return 0.0;
  }
}
inline string AccountInfoString(ENUM_ACCOUNT_INFO_STRING what) {
  return what == ACCOUNT_SERVER ? "Demo-1" : what == ACCOUNT_COMPANY ? "Bröker \"AG\"" : "USD";
}

inline int PositionsTotal() { return int(terminal.positions.size()); }
inline ulong PositionGetTicket(int at) {
  if (at < 0 || at >= PositionsTotal()) return 0;
  terminal.position = size_t(at);
  return terminal.selected().ticket;
}
inline long PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER what) {
  const FakePosition &held = terminal.selected();
  switch (what) {
    case POSITION_IDENTIFIER: return held.identifier;
    case POSITION_TICKET: return long(held.ticket);
    case POSITION_TYPE: return held.type;
    default: return 0;
  }
}
inline double PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE what) {
  const FakePosition &held = terminal.selected();
  return what == POSITION_VOLUME ? held.volume : what == POSITION_PRICE_OPEN ? held.price_open : 0.0;
}
inline string PositionGetString(ENUM_POSITION_PROPERTY_STRING what) {
  return string(what == POSITION_SYMBOL ? terminal.selected().symbol : terminal.selected().comment);
}

inline int OrdersTotal() { return int(terminal.orders.size()); }
inline ulong OrderGetTicket(int at) {
  if (at < 0 || at >= OrdersTotal()) return 0;
  terminal.order = size_t(at);
  return terminal.orders[terminal.order].ticket;
}
inline bool OrderSelect(ulong ticket) {
  for (terminal.order = 0; terminal.order < terminal.orders.size(); terminal.order++)
    if (terminal.orders[terminal.order].ticket == ticket) return true;
  return false;
}
inline long OrderGetInteger(ENUM_ORDER_PROPERTY_INTEGER what) {
  return what == ORDER_TYPE ? 2 : what == ORDER_STATE ? 1 : 0;
}
inline double OrderGetDouble(ENUM_ORDER_PROPERTY_DOUBLE what) {
  return what == ORDER_PRICE_OPEN ? 1.05 : what == ORDER_SL || what == ORDER_TP ? 0.0 : 0.2;
}
inline string OrderGetString(ENUM_ORDER_PROPERTY_STRING what) {
  return what == ORDER_SYMBOL ? string(terminal.orders.at(terminal.order).symbol) : "";
}

inline std::vector<FakeDeal> history;
inline bool HistorySelect(datetime from, datetime until) {
  history.clear();
  for (const FakeDeal &deal : terminal.deals)
    if (deal.time_msc >= from * 1000 && deal.time_msc <= until * 1000) history.push_back(deal);
  return true;
}
inline int HistoryDealsTotal() { return int(history.size()); }
inline ulong HistoryDealGetTicket(int at) { return history.at(size_t(at)).ticket; }
inline const FakeDeal &DealOf(ulong ticket) {
  for (const FakeDeal &deal : history)
    if (deal.ticket == ticket) return deal;
  std::abort();
}
inline long HistoryDealGetInteger(ulong ticket, ENUM_DEAL_PROPERTY_INTEGER what) {
  const FakeDeal &deal = DealOf(ticket);
  switch (what) {
    case DEAL_ORDER: return long(deal.order);
    case DEAL_POSITION_ID: return deal.position_id;
    case DEAL_TYPE: return deal.type;
    case DEAL_ENTRY: return deal.entry;
    case DEAL_TIME_MSC: return deal.time_msc;
    default: return 0;
  }
}
inline double HistoryDealGetDouble(ulong ticket, ENUM_DEAL_PROPERTY_DOUBLE what) {
  const FakeDeal &deal = DealOf(ticket);
  switch (what) {
    case DEAL_VOLUME: return deal.volume;
    case DEAL_PRICE: return deal.price;
    case DEAL_PROFIT: return deal.profit;
    default: return 0.0;
  }
}
inline string HistoryDealGetString(ulong ticket, ENUM_DEAL_PROPERTY_STRING what) {
  return string(what == DEAL_SYMBOL ? DealOf(ticket).symbol : DealOf(ticket).comment);
}

inline bool SymbolSelect(const string name, bool) {
  auto found = terminal.symbols.find(name.utf8());
  if (found == terminal.symbols.end()) return false;
  found->second.chosen = true;
  return true;
}
inline std::vector<std::string> Chosen() {
  std::vector<std::string> names;
  for (const auto &[name, symbol] : terminal.symbols)
    if (symbol.chosen) names.push_back(name);
  return names;
}
inline int SymbolsTotal(bool) { return int(Chosen().size()); }
inline string SymbolName(int at, bool) { return string(Chosen().at(size_t(at))); }
inline long SymbolInfoInteger(const string name, ENUM_SYMBOL_INFO_INTEGER what) {
  if (!terminal.symbols.count(name.utf8())) return 0;
  const FakeSymbol &symbol = terminal.of(name);
  switch (what) {
    case SYMBOL_DIGITS: return symbol.digits;
    case SYMBOL_FILLING_MODE: return symbol.filling;
    case SYMBOL_TRADE_MODE: return 4;
    default: return 0;
  }
}
inline double SymbolInfoDouble(const string name, ENUM_SYMBOL_INFO_DOUBLE what) {
  if (!terminal.symbols.count(name.utf8())) return 0.0;
  const FakeSymbol &symbol = terminal.of(name);
  switch (what) {
    case SYMBOL_TRADE_CONTRACT_SIZE: return symbol.contract_size;
    case SYMBOL_TRADE_TICK_SIZE: return std::pow(10.0, -symbol.digits);
    case SYMBOL_TRADE_TICK_VALUE: return symbol.tick_value;
    case SYMBOL_VOLUME_MAX: return 100.0;
    case SYMBOL_VOLUME_STEP: return symbol.volume_step;
    default: return 0.01;
  }
}
inline string SymbolInfoString(const string name, ENUM_SYMBOL_INFO_STRING what) {
  if (!terminal.symbols.count(name.utf8())) return "";
  const FakeSymbol &symbol = terminal.of(name);
  return string(what == SYMBOL_CURRENCY_PROFIT ? symbol.profit : symbol.base);
}
inline bool SymbolInfoTick(const string name, MqlTick &tick) {
  auto found = terminal.symbols.find(name.utf8());
  if (found == terminal.symbols.end() || found->second.ticks.empty()) return false;
  tick = found->second.ticks.back();
  return true;
}
inline int CopyTicks(const string name, array<MqlTick> &out, uint, ulong from_msc, uint count) {
  out.items.clear();
  for (const MqlTick &tick : terminal.of(name).ticks)
    if (ulong(tick.time_msc) >= from_msc && out.items.size() < count) out.items.push_back(tick);
  return ArraySize(out);
}

inline const char *Named(ENUM_TRADE_REQUEST_ACTIONS action) {
  return action == TRADE_ACTION_DEAL ? "deal" : action == TRADE_ACTION_REMOVE ? "remove" : "close_by";
}
inline bool OrderSend(MqlTradeRequest &request, MqlTradeResult &result) {
  std::printf("order %s position=%lu by=%lu order=%lu volume=%.2f type=%d filling=%d comment=%s\n",
              Named(request.action), request.position, request.position_by, request.order,
              request.volume, request.type, request.type_filling, request.comment.utf8().c_str());
  std::fflush(stdout);
  if (terminal.order_ms) usleep(useconds_t(terminal.order_ms) * 1000);
  if (!terminal.answers.empty()) {
    result.retcode = terminal.answers.front();
    terminal.answers.erase(terminal.answers.begin());
    return false;
  }
  result.retcode = 10009;
  result.order = terminal.next_ticket;
  result.price = request.price;
  result.volume = request.volume;
  if (request.action == TRADE_ACTION_REMOVE) {
    for (size_t i = 0; i < terminal.orders.size(); i++)
      if (terminal.orders[i].ticket == request.order)
        terminal.orders.erase(terminal.orders.begin() + long(i));
    result.order = request.order;
    return true;
  }
  FakePosition *held = terminal.by_ticket(request.position);
  FakePosition *other = terminal.by_ticket(request.position_by);
  bool by = request.action == TRADE_ACTION_CLOSE_BY;
  if (!held || (by && !other)) {
    result.retcode = 10036;
    return false;
  }
  std::string comment = request.comment.utf8();
  double volume = by ? MathMin(held->volume, other->volume) : request.volume;
  result.deal = terminal.next_ticket;
  terminal.reduce(request.position, volume, request.price, by ? 3 : 1, comment);
  if (by) terminal.reduce(request.position_by, volume, request.price, 3, comment);
  return true;
}
