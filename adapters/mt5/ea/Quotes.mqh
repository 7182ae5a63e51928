// Ticks of the symbols the engine asks for, none lost, oldest first of each symbol.
//
// OnTick fires for the chart's symbol only. Every other symbol is looked at from the millisecond
// timer: a tick leaves the terminal at most one timer period, plus the time of one pass, after it
// came in. A symbol whose last tick is the one already sent costs one look and nothing else.
#ifndef TIDEGATE_QUOTES
#define TIDEGATE_QUOTES

#include "Link.mqh"

#define QUOTES_A_FRAME 120
#define QUOTES_A_PASS 2000
#define QUOTES_BACK_MSC 60000

class Quotes
  {
private:
   string            m_symbols[];
   // Of the newest tick sent, and how many of that millisecond were.
   long              m_last_msc[];
   int               m_last_count[];
   double            m_last_bid[];
   double            m_last_ask[];
   string            m_rows;
   int               m_row_count;

   void              Add(Link &to, const string symbol, const MqlTick &tick)
     {
      m_rows += m_row_count == 0 ? "[" : ",[";
      m_rows += JsonQuote(symbol) + "," + IntegerToString(tick.time_msc);
      m_rows += "," + JsonNumber(tick.bid) + "," + JsonNumber(tick.ask);
      m_rows += "," + IntegerToString((long)tick.flags) + "]";
      m_row_count++;
      if(m_row_count >= QUOTES_A_FRAME)
         Flush(to);
     }

   void              Flush(Link &to)
     {
      if(m_row_count > 0)
         to.Tell("q", "\"quotes\":[" + m_rows + "]");
      m_rows = "";
      m_row_count = 0;
     }

   void              Keep(const int at, const MqlTick &tick)
     {
      m_last_bid[at] = tick.bid;
      m_last_ask[at] = tick.ask;
     }

   void              Look(Link &to, const int at)
     {
      MqlTick last;
      if(!SymbolInfoTick(m_symbols[at], last) || last.time_msc == 0)
         return;
      // A server's clock is set back in autumn: its ticks would be of the past for an hour.
      if(last.time_msc < m_last_msc[at] - QUOTES_BACK_MSC)
         m_last_msc[at] = 0;
      if(m_last_msc[at] == 0)
        {
         // The first look after a welcome: where the symbol stands. History is not sent.
         Add(to, m_symbols[at], last);
         m_last_msc[at] = last.time_msc;
         m_last_count[at] = 0;
         MqlTick same[];
         int seen = CopyTicks(m_symbols[at], same, COPY_TICKS_INFO, (ulong)last.time_msc, 1000);
         for(int i = 0; i < seen; i++)
            if(same[i].time_msc == last.time_msc)
               m_last_count[at]++;
         m_last_count[at] = MathMax(1, m_last_count[at]);
         Keep(at, last);
         return;
        }
      // The same tick as before, as far as can be seen cheaply; a twin of it within its millisecond
      // comes with the next one.
      if(last.time_msc == m_last_msc[at] && last.bid == m_last_bid[at] && last.ask == m_last_ask[at])
         return;
      MqlTick ticks[];
      int count = CopyTicks(m_symbols[at], ticks, COPY_TICKS_INFO, (ulong)m_last_msc[at],
                            QUOTES_A_PASS);
      if(count <= 0)
        {
         // Ticks cannot be had just now: the newest one is better than none.
         if(last.time_msc > m_last_msc[at])
           {
            Add(to, m_symbols[at], last);
            m_last_msc[at] = last.time_msc;
            m_last_count[at] = 1;
            Keep(at, last);
           }
         return;
        }
      int skip = m_last_count[at];
      for(int i = 0; i < count; i++)
        {
         if(ticks[i].time_msc < m_last_msc[at])
            continue;
         if(ticks[i].time_msc == m_last_msc[at] && skip > 0)
           {
            skip--;
            continue;
           }
         if(ticks[i].time_msc > m_last_msc[at])
           {
            m_last_msc[at] = ticks[i].time_msc;
            m_last_count[at] = 0;
            skip = 0;
           }
         m_last_count[at]++;
         Keep(at, ticks[i]);
         Add(to, m_symbols[at], ticks[i]);
        }
     }

public:
                     Quotes()
     {
      m_rows = "";
      m_row_count = 0;
     }

   // What to quote from now on, in place of what was wanted before; each begins where it stands.
   void              Want(string &symbols[])
     {
      int count = ArraySize(symbols);
      ArrayResize(m_symbols, count);
      ArrayResize(m_last_msc, count);
      ArrayResize(m_last_count, count);
      ArrayResize(m_last_bid, count);
      ArrayResize(m_last_ask, count);
      for(int i = 0; i < count; i++)
        {
         m_symbols[i] = symbols[i];
         m_last_msc[i] = 0;
         m_last_count[i] = 0;
         m_last_bid[i] = 0.0;
         m_last_ask[i] = 0.0;
         if(!SymbolSelect(symbols[i], true))
            Print("Tidegate: the broker has no symbol ", symbols[i]);
        }
     }

   void              Wanted(string &symbols[])
     {
      ArrayResize(symbols, ArraySize(m_symbols));
      for(int i = 0; i < ArraySize(m_symbols); i++)
         symbols[i] = m_symbols[i];
     }

   // `q` for whatever ticked since the last pass.
   void              TellNew(Link &to)
     {
      for(int i = 0; i < ArraySize(m_symbols) && to.IsUp(); i++)
         Look(to, i);
      Flush(to);
     }

   // The same for one symbol, from OnTick.
   void              TellNewOf(Link &to, const string symbol)
     {
      for(int i = 0; i < ArraySize(m_symbols) && to.IsUp(); i++)
         if(m_symbols[i] == symbol)
            Look(to, i);
      Flush(to);
     }
  };

#endif
