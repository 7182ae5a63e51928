// UTC by this machine in milliseconds, and how far the server's wall clock is from it.
#ifndef TIDEGATE_CLOCK
#define TIDEGATE_CLOCK

// TimeGMT has whole seconds. Between them the tick counter runs on, held inside the second.
class Clock
  {
private:
   long              m_anchor_msc;
   ulong             m_anchor_tick;

public:
                     Clock() { m_anchor_msc = 0; m_anchor_tick = 0; }

   long              GmtMsc()
     {
      long second_msc = (long)TimeGMT() * 1000;
      ulong tick = GetTickCount64();
      long guess_msc = m_anchor_msc + (long)(tick - m_anchor_tick);
      if(guess_msc < second_msc || guess_msc >= second_msc + 1000)
        {
         guess_msc = guess_msc < second_msc ? second_msc : second_msc + 999;
         m_anchor_msc = guess_msc;
         m_anchor_tick = tick;
        }
      return guess_msc;
     }

   // Server's wall clock minus UTC in seconds, to the quarter of an hour: what is left over is
   // the error of this machine's clock, not the zone of the server.
   int               GmtOffsetS()
     {
      double quarters = ((double)((long)TimeTradeServer() - (long)TimeGMT())) / 900.0;
      return (int)MathFloor(quarters + 0.5) * 900;
     }
  };

Clock g_clock;

#endif
