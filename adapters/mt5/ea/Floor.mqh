// The terminal's own last line: an equity floor the engine has left here, enforced only while there
// is no sign of the engine. It survives a restart of the terminal.
#ifndef TIDEGATE_FLOOR
#define TIDEGATE_FLOOR

#include "Trade.mqh"

#define FLOOR_CHECK_MS 1000
#define FLOOR_CONFIRMATIONS 3

class FailSafe
  {
private:
   ulong             m_silent_ms;
   int               m_deviation;
   long              m_magic;
   ulong             m_checked_tick;
   int               m_below;
   bool              m_closing;

   // Resting orders first: they would refill the account.
   void              Flatten()
     {
      Outcome outcome;
      for(int i = OrdersTotal() - 1; i >= 0; i--)
        {
         ulong ticket = OrderGetTicket(i);
         if(ticket != 0)
            CancelOrder(ticket, outcome);
        }
      PositionRecord positions[];
      if(!ReadPositions(positions))
         return;
      for(int i = 0; i < ArraySize(positions); i++)
        {
         long identifier = positions[i].identifier;
         ClosePosition(identifier, 0.0, m_deviation, m_magic, "tg:floor", outcome);
         Print("Tidegate: floor: position ", identifier, " answered ", outcome.retcode);
        }
     }

public:
                     FailSafe()
     {
      m_silent_ms = 30000;
      m_deviation = 0;
      m_magic = 0;
      m_checked_tick = 0;
      m_below = 0;
      m_closing = false;
     }

   void              Start(const int silent_s, const int deviation, const long magic)
     {
      m_silent_ms = (ulong)silent_s * 1000;
      m_deviation = deviation;
      m_magic = magic;
      m_below = 0;
      m_closing = false;
     }

   bool              IsClosing() { return m_closing; }

   // Once a second: three looks in a row at or below the floor, then everything is closed, again
   // each second until nothing is left. A full close that names its position may be repeated.
   // One look that says otherwise before that starts the count anew; after it nothing stops it
   // but the engine's return.
   void              Check(Link &from, Journal &journal, const bool believed)
     {
      ulong now = GetTickCount64();
      if(now - m_checked_tick < FLOOR_CHECK_MS)
         return;
      m_checked_tick = now;
      double line = journal.Floor();
      if(line <= 0.0 || !believed || from.SilentMs() < m_silent_ms)
        {
         if(m_closing && from.IsUp())
            Print("Tidegate: the engine is back; the floor is its own again");
         if(line <= 0.0 || from.IsUp())
            m_closing = false;
         m_below = 0;
         return;
        }
      bool anything = PositionsTotal() + OrdersTotal() > 0;
      double equity = AccountInfoDouble(ACCOUNT_EQUITY);
      bool below = MathIsValidNumber(equity) && equity <= line;
      m_below = below && anything ? m_below + 1 : 0;
      if(!m_closing && m_below >= FLOOR_CONFIRMATIONS)
        {
         m_closing = true;
         Alert("Tidegate: the engine is silent and equity ", equity, " is at or below the floor ",
               line, ": closing everything");
        }
      if(m_closing && anything)
         Flatten();
     }
  };

#endif
