// What the account is, as frames: full reports, positions and deals as they change, heartbeats.
// Positions are compared with what was told last, at every transaction and every heartbeat: what
// a transaction event missed is found a second later, and the digest is of what was told.
#ifndef TIDEGATE_REPORT
#define TIDEGATE_REPORT

#include "Records.mqh"
#include "Terms.mqh"

#define REPORT_ROOM 60000
#define REPORT_SPECS 512
#define REPORT_INTENTS 64
#define DEALS_REMEMBERED 2048
#define DEALS_OVERLAP_S 60

class Teller
  {
private:
   PositionRecord    m_told[];
   ulong             m_deals[];
   int               m_deals_at;
   long              m_deals_from_s;
   bool              m_deals_pending;
   int               m_offset_s;
   string            m_records[];
   int               m_sections[];
   ToldTerms         m_terms;

   void              Add(const int section, const string json)
     {
      int count = ArraySize(m_records);
      ArrayResize(m_records, count + 1, 256);
      ArrayResize(m_sections, count + 1, 256);
      m_records[count] = json;
      m_sections[count] = section;
     }

   void              TellPosition(Link &to, const string change, const PositionRecord &p)
     {
      string body = "\"change\":\"" + change + "\",\"position\":" + PositionJson(p);
      to.Tell("p", body);
     }

   void              Replace(const PositionRecord &positions[])
     {
      int count = ArraySize(positions);
      ArrayResize(m_told, count, 64);
      for(int i = 0; i < count; i++)
         m_told[i] = positions[i];
     }

   // The records from one cut to the next, by section.
   string            Sections(const int from, const int until)
     {
      string json = "";
      for(int section = 0; section < 4; section++)
        {
         string name = section == 0 ? "positions" : "orders";
         if(section >= 2)
            name = section == 2 ? "specs" : "recent_intents";
         string list = "";
         for(int i = from; i < until; i++)
            if(m_sections[i] == section)
               list += (list == "" ? "" : ",") + m_records[i];
         json += ",\"" + name + "\":[" + list + "]";
        }
      return json;
     }

   bool              AddOrders(string &names[])
     {
      int total = OrdersTotal();
      for(int i = 0; i < total; i++)
        {
         ulong ticket = OrderGetTicket(i);
         if(ticket == 0)
            return false;
         AddOnce(OrderGetString(ORDER_SYMBOL), names);
         Add(1, OrderJson(ticket));
        }
      return OrdersTotal() == total;
     }

   void              AddSpecs(string &names[])
     {
      int total = SymbolsTotal(true);
      for(int i = 0; i < total && ArraySize(names) < REPORT_SPECS; i++)
         AddOnce(SymbolName(i, true), names);
      m_terms.Forget();
      for(int i = 0; i < ArraySize(names); i++)
         if(HasTerms(names[i]))
            Add(2, m_terms.Tell(names[i]));
     }

   bool              WasTold(const ulong ticket)
     {
      for(int i = ArraySize(m_deals) - 1; i >= 0; i--)
         if(m_deals[i] == ticket)
            return true;
      return false;
     }

   void              Remember(const ulong ticket)
     {
      if(ArraySize(m_deals) < DEALS_REMEMBERED)
        {
         ArrayResize(m_deals, ArraySize(m_deals) + 1, 256);
         m_deals[ArraySize(m_deals) - 1] = ticket;
         return;
        }
      m_deals[m_deals_at] = ticket;
      m_deals_at = (m_deals_at + 1) % DEALS_REMEMBERED;
     }

public:
                     Teller()
     {
      m_deals_at = 0;
      m_deals_from_s = 0;
      m_deals_pending = true;
      m_offset_s = 0;
     }

   // From which deal on: what the engine had when the terminal was last up, else from now on.
   void              Start(Journal &journal)
     {
      ArrayResize(m_told, 0);
      ArrayResize(m_deals, 0);
      m_deals_at = 0;
      m_deals_pending = true;
      m_offset_s = 0;
      m_terms.Forget();
      if(journal.DealsMsc() > 0)
        {
         m_deals_from_s = journal.DealsMsc() / 1000;
         return;
        }
      m_deals_from_s = (long)TimeTradeServer();
      long from = m_deals_from_s - DEALS_OVERLAP_S;
      if(HistorySelect((datetime)from, (datetime)(m_deals_from_s + 86400)))
         for(int i = 0; i < HistoryDealsTotal(); i++)
            Remember(HistoryDealGetTicket(i));
     }

   // `s`, in as many parts as it needs. `believed`: the terminal has been at the broker's server
   // long enough for its lists to be whole. `asked`: a request or a welcome is why.
   void              TellReport(Link &to, Journal &journal, string &wanted[], const bool believed,
                                const bool asked)
     {
      ArrayResize(m_records, 0);
      ArrayResize(m_sections, 0);
      PositionRecord positions[];
      bool complete = ReadPositions(positions) && believed;
      string names[];
      for(int i = 0; complete && i < ArraySize(positions); i++)
        {
         AddOnce(positions[i].symbol, names);
         Add(0, PositionJson(positions[i]));
        }
      complete = AddOrders(names) && complete;
      for(int i = 0; i < ArraySize(wanted); i++)
        {
         SymbolSelect(wanted[i], true);
         AddOnce(wanted[i], names);
        }
      AddSpecs(names);
      for(int back = 0; back < MathMin(journal.IntentCount(), REPORT_INTENTS); back++)
        {
         Intent intent;
         journal.Recent(back, intent);
         Add(3, IntentJson(intent));
        }
      int cuts[];
      int used = 0;
      int count = ArraySize(m_records);
      for(int i = 0; i < count; i++)
        {
         int size = StringLen(m_records[i]) + 1;
         if(used + size > REPORT_ROOM)
           {
            ArrayResize(cuts, ArraySize(cuts) + 1);
            cuts[ArraySize(cuts) - 1] = i;
            used = 0;
           }
         used += size;
        }
      ArrayResize(cuts, ArraySize(cuts) + 1);
      cuts[ArraySize(cuts) - 1] = count;
      m_offset_s = g_clock.GmtOffsetS();
      int start = 0;
      for(int part = 0; part < ArraySize(cuts) && to.IsUp(); part++)
        {
         string body = "\"part\":" + IntegerToString(part + 1);
         body += ",\"parts\":" + IntegerToString(ArraySize(cuts));
         body += ",\"complete\":" + JsonBool(complete) + ",\"unasked\":" + JsonBool(!asked);
         body += ",\"gmt_offset_s\":" + IntegerToString(m_offset_s);
         if(part == 0)
            body += "," + AccountJson() + ",\"floor\":" + JsonNumber(journal.Floor());
         to.Tell("s", body + Sections(start, cuts[part]));
         start = cuts[part];
        }
      if(!complete)
         return;
      Replace(positions);
      m_terms.Keep();
     }

   // `p` for everything that differs from what was told; false where the list cannot be read.
   bool              TellPositions(Link &to)
     {
      PositionRecord now[];
      if(!ReadPositions(now))
         return false;
      int i = 0;
      int k = 0;
      while(i < ArraySize(m_told) || k < ArraySize(now))
        {
         bool only_told = k >= ArraySize(now);
         bool only_now = i >= ArraySize(m_told);
         if(!only_told && !only_now)
           {
            only_told = m_told[i].identifier < now[k].identifier;
            only_now = m_told[i].identifier > now[k].identifier;
           }
         if(only_told)
            TellPosition(to, "closed", m_told[i]);
         else if(only_now)
            TellPosition(to, "opened", now[k]);
         else if(!SamePosition(m_told[i], now[k]))
            TellPosition(to, "changed", now[k]);
         if(!only_now)
            i++;
         if(!only_told)
            k++;
        }
      Replace(now);
      return true;
     }

   // Whether the terms of a symbol that is held or `wanted` are not those last reported: only a
   // report can tell them.
   bool              HasNewTerms(string &wanted[])
     {
      string names[];
      for(int i = 0; i < ArraySize(m_told); i++)
         AddOnce(m_told[i].symbol, names);
      for(int i = 0; i < ArraySize(wanted); i++)
         AddOnce(wanted[i], names);
      return m_terms.AreOutdated(names);
     }

   void              ExpectDeals() { m_deals_pending = true; }
   bool              ExpectsDeals() { return m_deals_pending; }

   // `d` for every deal of the history that was not told yet. Costs a query of the history since
   // the last one that was told. `awaited`: the ticket of a transaction, 0 for none; it stays
   // expected until the history has it.
   void              TellDeals(Link &to, const ulong awaited)
     {
      long until_s = (long)TimeTradeServer() + 86400;
      if(!HistorySelect((datetime)(m_deals_from_s - DEALS_OVERLAP_S), (datetime)until_s))
         return;
      int total = HistoryDealsTotal();
      m_deals_pending = false;
      for(int i = 0; i < total; i++)
        {
         ulong ticket = HistoryDealGetTicket(i);
         if(ticket == 0)
           {
            m_deals_pending = true;
            continue;
           }
         if(WasTold(ticket))
            continue;
         long time_msc = HistoryDealGetInteger(ticket, DEAL_TIME_MSC);
         to.TellKept("d", DealJson(ticket), time_msc);
         Remember(ticket);
         m_deals_from_s = MathMax(m_deals_from_s, time_msc / 1000);
        }
      if(awaited != 0 && !WasTold(awaited))
         m_deals_pending = true;
     }

   // `b`; the digest is of what TellPositions told just before.
   void              TellBeat(Link &to)
     {
      string body = "\"balance\":" + JsonNumber(AccountInfoDouble(ACCOUNT_BALANCE));
      body += ",\"credit\":" + JsonNumber(AccountInfoDouble(ACCOUNT_CREDIT));
      body += ",\"equity\":" + JsonNumber(AccountInfoDouble(ACCOUNT_EQUITY));
      body += ",\"margin\":" + JsonNumber(AccountInfoDouble(ACCOUNT_MARGIN));
      body += ",\"digest\":\"" + PositionDigest(m_told) + "\"";
      int offset_s = g_clock.GmtOffsetS();
      if(offset_s != m_offset_s)
        {
         m_offset_s = offset_s;
         body += ",\"gmt_offset_s\":" + IntegerToString(offset_s);
        }
      to.Tell("b", body);
     }
  };

#endif
