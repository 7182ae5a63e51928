// What the terminal holds, read from it and written as the link's records.
#ifndef TIDEGATE_RECORDS
#define TIDEGATE_RECORDS

#include "Link.mqh"

// POSITION_*; the profit is not compared, it moves with every tick.
struct PositionRecord
  {
   long              identifier;
   ulong             ticket;
   string            symbol;
   int               type;
   double            volume;
   double            price_open;
   double            sl;
   double            tp;
   double            swap;
   double            profit;
   long              magic;
   string            comment;
   int               reason;
   long              time_msc;
   long              time_update_msc;
  };

bool SamePosition(const PositionRecord &a, const PositionRecord &b)
  {
   return a.ticket == b.ticket && a.type == b.type && a.volume == b.volume
          && a.price_open == b.price_open && a.sl == b.sl && a.tp == b.tp && a.swap == b.swap;
  }

// Every position, by identifier; false where the terminal cannot be believed just now.
bool ReadPositions(PositionRecord &positions[])
  {
   int total = PositionsTotal();
   ArrayResize(positions, total);
   for(int i = 0; i < total; i++)
     {
      ulong ticket = PositionGetTicket(i);
      if(ticket == 0)
         return false;
      PositionRecord p;
      p.identifier = PositionGetInteger(POSITION_IDENTIFIER);
      p.ticket = ticket;
      p.symbol = PositionGetString(POSITION_SYMBOL);
      p.type = (int)PositionGetInteger(POSITION_TYPE);
      p.volume = PositionGetDouble(POSITION_VOLUME);
      p.price_open = PositionGetDouble(POSITION_PRICE_OPEN);
      p.sl = PositionGetDouble(POSITION_SL);
      p.tp = PositionGetDouble(POSITION_TP);
      p.swap = PositionGetDouble(POSITION_SWAP);
      p.profit = PositionGetDouble(POSITION_PROFIT);
      p.magic = PositionGetInteger(POSITION_MAGIC);
      p.comment = PositionGetString(POSITION_COMMENT);
      p.reason = (int)PositionGetInteger(POSITION_REASON);
      p.time_msc = PositionGetInteger(POSITION_TIME_MSC);
      p.time_update_msc = PositionGetInteger(POSITION_TIME_UPDATE_MSC);
      if(p.identifier <= 0 || p.symbol == "" || p.volume <= 0.0)
         return false;
      // They come nearly in order, so this is cheap.
      int at = i;
      while(at > 0 && positions[at - 1].identifier > p.identifier)
        {
         positions[at] = positions[at - 1];
         at--;
        }
      positions[at] = p;
     }
   // Margin without anything that could bind it: the lists have not been loaded yet.
   if(total == 0 && OrdersTotal() == 0 && AccountInfoDouble(ACCOUNT_MARGIN) > 0.0)
      return false;
   return PositionsTotal() == total;
  }

string PositionDigest(const PositionRecord &positions[])
  {
   string text = "";
   for(int i = 0; i < ArraySize(positions); i++)
     {
      long units = (long)(positions[i].volume * 100000000.0 + 0.5);
      text += IntegerToString(positions[i].identifier) + ":";
      text += IntegerToString(positions[i].type) + ":" + IntegerToString(units) + ";";
     }
   return Fnv64(text);
  }

string PositionJson(const PositionRecord &p)
  {
   string json = "{\"identifier\":" + IntegerToString(p.identifier);
   json += ",\"ticket\":" + IntegerToString((long)p.ticket);
   json += ",\"symbol\":" + JsonQuote(p.symbol) + ",\"type\":" + IntegerToString(p.type);
   json += ",\"volume\":" + JsonNumber(p.volume);
   json += ",\"price_open\":" + JsonNumber(p.price_open);
   json += ",\"sl\":" + JsonNumber(p.sl) + ",\"tp\":" + JsonNumber(p.tp);
   json += ",\"swap\":" + JsonNumber(p.swap) + ",\"profit\":" + JsonNumber(p.profit);
   json += ",\"magic\":" + IntegerToString(p.magic) + ",\"comment\":" + JsonQuote(p.comment);
   json += ",\"reason\":" + IntegerToString(p.reason);
   json += ",\"time_msc\":" + IntegerToString(p.time_msc);
   return json + ",\"time_update_msc\":" + IntegerToString(p.time_update_msc) + "}";
  }

// The selected order.
string OrderJson(const ulong ticket)
  {
   string json = "{\"ticket\":" + IntegerToString((long)ticket);
   json += ",\"symbol\":" + JsonQuote(OrderGetString(ORDER_SYMBOL));
   json += ",\"type\":" + IntegerToString(OrderGetInteger(ORDER_TYPE));
   json += ",\"volume_current\":" + JsonNumber(OrderGetDouble(ORDER_VOLUME_CURRENT));
   json += ",\"price_open\":" + JsonNumber(OrderGetDouble(ORDER_PRICE_OPEN));
   json += ",\"volume_initial\":" + JsonNumber(OrderGetDouble(ORDER_VOLUME_INITIAL));
   json += ",\"sl\":" + JsonNumber(OrderGetDouble(ORDER_SL));
   json += ",\"tp\":" + JsonNumber(OrderGetDouble(ORDER_TP));
   json += ",\"state\":" + IntegerToString(OrderGetInteger(ORDER_STATE));
   json += ",\"magic\":" + IntegerToString(OrderGetInteger(ORDER_MAGIC));
   json += ",\"comment\":" + JsonQuote(OrderGetString(ORDER_COMMENT));
   json += ",\"position_id\":" + IntegerToString(OrderGetInteger(ORDER_POSITION_ID));
   long setup_msc = OrderGetInteger(ORDER_TIME_SETUP_MSC);
   return json + ",\"time_setup_msc\":" + IntegerToString(setup_msc) + "}";
  }

// A deal that is in the selected history.
string DealJson(const ulong ticket)
  {
   string json = "\"deal\":{\"ticket\":" + IntegerToString((long)ticket);
   json += ",\"order\":" + IntegerToString(HistoryDealGetInteger(ticket, DEAL_ORDER));
   long position = HistoryDealGetInteger(ticket, DEAL_POSITION_ID);
   json += ",\"position_id\":" + IntegerToString(position);
   json += ",\"symbol\":" + JsonQuote(HistoryDealGetString(ticket, DEAL_SYMBOL));
   json += ",\"type\":" + IntegerToString(HistoryDealGetInteger(ticket, DEAL_TYPE));
   json += ",\"entry\":" + IntegerToString(HistoryDealGetInteger(ticket, DEAL_ENTRY));
   json += ",\"volume\":" + JsonNumber(HistoryDealGetDouble(ticket, DEAL_VOLUME));
   json += ",\"price\":" + JsonNumber(HistoryDealGetDouble(ticket, DEAL_PRICE));
   json += ",\"profit\":" + JsonNumber(HistoryDealGetDouble(ticket, DEAL_PROFIT));
   json += ",\"swap\":" + JsonNumber(HistoryDealGetDouble(ticket, DEAL_SWAP));
   json += ",\"commission\":" + JsonNumber(HistoryDealGetDouble(ticket, DEAL_COMMISSION));
   json += ",\"fee\":" + JsonNumber(HistoryDealGetDouble(ticket, DEAL_FEE));
   json += ",\"magic\":" + IntegerToString(HistoryDealGetInteger(ticket, DEAL_MAGIC));
   json += ",\"comment\":" + JsonQuote(HistoryDealGetString(ticket, DEAL_COMMENT));
   json += ",\"reason\":" + IntegerToString(HistoryDealGetInteger(ticket, DEAL_REASON));
   long time_msc = HistoryDealGetInteger(ticket, DEAL_TIME_MSC);
   return json + ",\"time_msc\":" + IntegerToString(time_msc) + "}";
  }

string IntentJson(const Intent &intent)
  {
   string json = "{\"intent_id\":" + JsonQuote(intent.id);
   json += ",\"epoch\":" + IntegerToString(intent.epoch);
   json += ",\"retcode\":" + IntegerToString(intent.retcode);
   json += ",\"deal\":" + IntegerToString((long)intent.deal);
   json += ",\"order\":" + IntegerToString((long)intent.order);
   json += ",\"volume\":" + JsonNumber(intent.volume);
   return json + ",\"price\":" + JsonNumber(intent.price) + "}";
  }

string AccountJson()
  {
   double margin = AccountInfoDouble(ACCOUNT_MARGIN);
   string json = "\"account\":{\"balance\":" + JsonNumber(AccountInfoDouble(ACCOUNT_BALANCE));
   json += ",\"credit\":" + JsonNumber(AccountInfoDouble(ACCOUNT_CREDIT));
   json += ",\"equity\":" + JsonNumber(AccountInfoDouble(ACCOUNT_EQUITY));
   json += ",\"margin\":" + JsonNumber(margin);
   json += ",\"profit\":" + JsonNumber(AccountInfoDouble(ACCOUNT_PROFIT));
   if(margin > 0.0)
      json += ",\"margin_level\":" + JsonNumber(AccountInfoDouble(ACCOUNT_MARGIN_LEVEL));
   bool allowed = AccountInfoInteger(ACCOUNT_TRADE_ALLOWED) != 0
                  && AccountInfoInteger(ACCOUNT_TRADE_EXPERT) != 0
                  && TerminalInfoInteger(TERMINAL_TRADE_ALLOWED) != 0
                  && MQLInfoInteger(MQL_TRADE_ALLOWED) != 0;
   return json + ",\"trade_allowed\":" + JsonBool(allowed) + "}";
  }

void AddOnce(const string name, string &names[])
  {
   for(int i = 0; i < ArraySize(names); i++)
      if(names[i] == name)
         return;
   int count = ArraySize(names);
   ArrayResize(names, count + 1, 64);
   names[count] = name;
  }

#endif
